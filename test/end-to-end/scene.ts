import { afterAll, beforeAll } from "vitest";
import type { TestContext } from "vitest";
import { type FakeUpstream, startFakeUpstream } from "../support/fake-upstream.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import type { Json } from "../support/api-client.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

export const UPSTREAM_KEY = "pulse-key-of-the-scene";
const POLL_INTERVAL_S = 0.02;

/** An upstream, a receiver, and a connection between, all of one test; the gateway is the file's. */
export interface Scene {
  readonly gateway: TestGateway;
  readonly upstream: FakeUpstream;
  readonly receiver: Receiver;
  /** The connection's name. */
  readonly connection: string;
  readonly connectionId: string;
  /** Where this scene's callbacks go unless a test says otherwise. */
  readonly path: string;
  /** A job id that no other scene uses. */
  readonly jobId: string;
  /** Subscribes to the scene's job; throws unless it is accepted. */
  readonly subscribe: (fields?: object) => Promise<Json>;
  /** Looks at an object of the API; throws unless it is there. */
  readonly look: (path: string) => Promise<Json>;
  /** The only delivery of a subscription, with its attempts, once it is as wished. */
  readonly delivery: (
    subscriptionId: string,
    isReached?: (delivery: Json) => boolean,
  ) => Promise<Json>;
  /** Another connection at the same upstream. */
  readonly connect: (fields?: object) => Promise<Json>;
  /** Changes the scene's connection. */
  readonly change: (fields: object) => Promise<Json>;
}

/** Call at the top of a test file: it gets a gateway, and each test that asks for one a scene. */
export function useScenes(
  changes: Readonly<Record<string, string>> = {},
): (context: TestContext) => Promise<Scene> {
  let gateway: TestGateway | null = null;
  beforeAll(async () => {
    gateway = await startTestGateway(changes);
  });
  afterAll(() => gateway?.discard());
  return async ({ onTestFinished }) => {
    if (gateway === null) throw new Error("the gateway did not start");
    const upstream = await startFakeUpstream();
    const receiver = await startReceiver(SIGNING_SECRET);
    onTestFinished(async () => {
      await upstream.close();
      await receiver.close();
    });
    return setScene(gateway, upstream, receiver);
  };
}

let scenes = 0;

async function setScene(
  gateway: TestGateway,
  upstream: FakeUpstream,
  receiver: Receiver,
): Promise<Scene> {
  scenes += 1;
  const jobId = `job-${scenes}`;
  const path = `/hooks/${scenes}`;
  let connections = 0;
  const connect = async (fields: object = {}): Promise<Json> => {
    connections += 1;
    const answer = await gateway.api("POST", "/v1/connections", {
      provider: "pulse",
      name: `of-${jobId}-${connections}`,
      credential: UPSTREAM_KEY,
      base_url: upstream.origin,
      settings: { poll_interval_s: POLL_INTERVAL_S },
      ...fields,
    });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  };
  const connection = await connect();
  const look = async (objectPath: string): Promise<Json> => {
    const answer = await gateway.api("GET", objectPath);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.body;
  };
  return {
    gateway,
    upstream,
    receiver,
    connection: connection.name,
    connectionId: connection.id,
    path,
    jobId,
    connect,
    look,
    async subscribe(fields = {}) {
      const answer = await gateway.api("POST", "/v1/subscriptions", {
        job_id: jobId,
        callback_url: receiver.url(path),
        connection: connection.name,
        ...fields,
      });
      if (answer.status !== 201) throw new Error(answer.text);
      return answer.body;
    },
    async delivery(subscriptionId, isReached = (delivery) => delivery.status !== "pending") {
      const listPath = `/v1/subscriptions/${subscriptionId}/deliveries`;
      const page = await gateway.until(listPath, ({ data }) => data.length === 1);
      return gateway.until(`/v1/deliveries/${page.data[0].id}`, isReached);
    },
    async change(fields) {
      const answer = await gateway.api("PATCH", `/v1/connections/${connection.id}`, fields);
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.body;
    },
  };
}
