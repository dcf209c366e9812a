import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { attemptDelivery } from "../../src/delivery/attempt/deliverer.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import type { RequestClient } from "../../src/outbound/request-client.ts";
import type { AttemptRow } from "../../src/store/writes/record-attempts.ts";
import { owed } from "../delivery/owed.ts";
import { openClient } from "../outbound/local-servers.ts";
import { openBox } from "../polling/jobs.ts";
import type { Json } from "../support/api-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { RawServer } from "../support/raw-server.ts";
import { testRuntime } from "../support/runtime.ts";

/** A receiver's reaction to a callback. */
type Behavior =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Written as it is; the connection ends after it. */
  | { readonly raw: string }
  | ((request: IncomingMessage, response: ServerResponse) => void);

/** One quirk of a real receiver: its behavior, and the required outcome. */
export interface ReceiverCase {
  /** The guarantee. */
  readonly title: string;
  /** Public reports of people who met it. */
  readonly sources: readonly string[];
  /** In turn, the last one for good. */
  readonly behaves: readonly Behavior[];
  /** Raw JSON; a small one unless given. */
  readonly result?: string;
  /** No attempt after the first unless given. */
  readonly retryScheduleS?: readonly number[];
  /** All attempts, as far as given. */
  readonly attempts: readonly object[];
  /** How long the delivery waits after the first attempt. */
  readonly waitsS?: readonly [least: number, most: number];
  /** How often the callback came, whatever counts as an attempt. */
  readonly heard?: number;
  /** Members of the `data` of the last callback. */
  readonly data?: object;
}

interface Heard {
  readonly webhookId: string;
  readonly data: Json;
}

/** The outcome of a delivery. */
interface Delivered {
  readonly attempts: readonly AttemptRow[];
  /** From the first attempt to the next, as it was planned; null when there was none. */
  readonly waitS: number | null;
}

/** Only ends what hangs, on a machine that does other work. */
const WAIT_MS_MAX = 60_000;

/** A client that gives a busy machine time to connect. */
export function openPatientClient(options: Parameters<typeof openClient>[0] = {}): RequestClient {
  return openClient({ connectTimeoutMs: WAIT_MS_MAX, ...options });
}

/** A receiver that behaves as told, and what it hears. */
export async function receiverThat(behaves: readonly Behavior[]) {
  const heard: Heard[] = [];
  const server = new RawServer(async (request, response) => {
    const body: Json = JSON.parse((await buffer(request)).toString());
    heard.push({ webhookId: String(request.headers["webhook-id"]), data: body.data });
    const behavior = behaves[Math.min(heard.length, behaves.length) - 1] ?? { status: 200 };
    // The deliveries' clock stands still, and this one does not.
    response.sendDate = false;
    if (typeof behavior === "function") behavior(request, response);
    else if ("raw" in behavior) request.socket.end(behavior.raw);
    else response.writeHead(behavior.status, behavior.headers).end(behavior.body);
  });
  await server.open();
  onTestFinished(() => server.close());
  return { url: `${server.origin}/hook`, heard };
}

/** Attempts a delivery until it is over, on a clock that is moved on to each attempt. */
export async function deliver(
  url: string,
  of: Pick<ReceiverCase, "result" | "retryScheduleS"> = {},
  client: Pick<RequestClient, "send"> = openPatientClient(),
): Promise<Delivered> {
  const clock = new FakeClock();
  const attempts: AttemptRow[] = [];
  const options = {
    secretBox: openBox,
    userAgent: "Ringback/test",
    callbackTimeoutMs: WAIT_MS_MAX,
    settings: {
      of: () => ({
        retryScheduleMs: [],
        signatures: ["v1" as const],
        limits: callbackLimits(1, null),
      }),
    },
    resultLinks: { urlOf: (eventId: string) => `https://gateway.test/v1/events/${eventId}/result` },
    signingKeys: { of: () => Promise.resolve([{ scheme: "v1" as const, key: Buffer.alloc(32) }]) },
    callbackClient: client,
    writers: {
      recordAttempt(row: AttemptRow) {
        attempts.push(row);
        return Promise.resolve(true);
      },
    },
    operationalEvents: { publish: () => undefined },
  };
  const callback = owed(clock.now(), {
    callbackUrl: url,
    callbackOrigin: new URL(url).origin,
    retrySchedule: JSON.stringify(of.retryScheduleS ?? []),
    ...(of.result !== undefined && { result: of.result }),
  });
  const runtime = testRuntime({ clock });
  let waitS: number | null = null;
  for (;;) {
    const { next } = await attemptDelivery(runtime, options, callback, () => undefined);
    if (next.kind !== "retry") return { attempts, waitS };
    const waitMs = next.atMs - clock.now();
    waitS ??= waitMs / 1000;
    clock.advance(waitMs);
  }
}
