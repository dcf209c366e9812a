import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type CallbackEvent,
  createReceiver,
  lambdaHandler,
  type LambdaEvent,
  nodeHandler,
  type NodeRequest,
} from "../../src/receiver/receiver.ts";
import { eventFixture } from "../../src/testing/fixtures.ts";
import { signedRequest } from "../../src/testing/signed-request.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODIES = ["ringback.test", "job.completed", "connection.paused"] as const;

function createScene(bodyBytesMax = 10_000) {
  const events: CallbackEvent[] = [];
  const on = (event: CallbackEvent) => void events.push(event);
  return { events, receive: createReceiver({ secret: SECRET, on, bodyBytesMax }) };
}

function signed(type: (typeof BODIES)[number]) {
  const body = eventFixture(type);
  const { headers } = signedRequest(body, SECRET, { id: `msg_${type}` });
  return { body, headers: Object.fromEntries(headers) };
}

/** As a platform hands a body over that it has read. */
function readRequest(over: Partial<NodeRequest>, headers: NodeRequest["headers"]): NodeRequest {
  const nothing: NodeRequest = {
    method: "POST",
    headers,
    readableEnded: true,
    async *[Symbol.asyncIterator]() {
      // Read to its end.
    },
  };
  return { ...nothing, ...over };
}

/** Runs a handler and collects its response. */
async function interpretResponse(handle: ReturnType<typeof nodeHandler>, request: NodeRequest) {
  const headers: Record<string, string> = {};
  const answer = { statusCode: 0, text: "" };
  await handle(request, {
    set statusCode(status: number) {
      answer.statusCode = status;
    },
    setHeader: (name, value) => {
      headers[name] = value;
    },
    end: (text = "") => {
      answer.text = text;
    },
  });
  return { ...answer, headers };
}

describe("nodeHandler", () => {
  test("nodeHandler takes callbacks of Node's http, and answers as the receiver does", async () => {
    const { receive, events } = createScene();
    const handle = nodeHandler(receive);
    const server = createServer((request, response) => void handle(request, response));
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    for (const type of BODIES) {
      const answer = await fetch(url, { method: "POST", ...signed(type) });
      expect(answer.status).toBe(204);
    }
    expect(events.map(({ type }) => type)).toEqual([...BODIES]);
    const refused = await fetch(url, { method: "POST", ...signed("job.completed"), body: "{}" });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("No signature matches");
    expect((await fetch(url)).status).toBe(405);
    const large = await fetch(url, {
      method: "POST",
      ...signed("job.completed"),
      body: "x".repeat(10_001),
    });
    expect(large.status).toBe(413);
  });

  test.each([
    ["bytes that express.raw() left", (body: string) => ({ body: Buffer.from(body) })],
    ["text that express.text() left", (body: string) => ({ body })],
    ["rawBody of Cloud Functions", (body: string) => ({ rawBody: Buffer.from(body), body: {} })],
  ])("nodeHandler takes %s", async (_, over) => {
    const { receive, events } = createScene();
    const { body, headers } = signed("job.completed");
    const request = readRequest(over(body), headers);
    expect((await interpretResponse(nodeHandler(receive), request)).statusCode).toBe(204);
    expect(events).toMatchObject([{ rawBody: body }]);
  });

  test("nodeHandler reads the stream if there is one, and never a parsed body", async () => {
    const { receive, events } = createScene();
    const { body, headers } = signed("job.completed");
    const request = readRequest(
      {
        readableEnded: false,
        async *[Symbol.asyncIterator]() {
          yield body.slice(0, 10);
          yield Buffer.from(body.slice(10));
        },
      },
      headers,
    );
    const parse = (): never => {
      throw new Error("Vercel parses here");
    };
    Object.defineProperty(request, "body", { get: parse });
    expect((await interpretResponse(nodeHandler(receive), request)).statusCode).toBe(204);
    expect(events).toHaveLength(1);
  });

  test("nodeHandler says what to change when the body was parsed", async () => {
    const { receive, events } = createScene();
    const { body, headers } = signed("job.completed");
    const request = readRequest({ body: JSON.parse(body) }, headers);
    const { statusCode, text } = await interpretResponse(nodeHandler(receive), request);
    expect(statusCode).toBe(500);
    expect(text).toMatch(/parsed before the receiver saw it.*express\.raw/);
    expect(events).toEqual([]);
  });
});

describe("lambdaHandler", () => {
  // Shortened from AWS's documentation: what the receiver reads, in the place where it is.
  const events: Readonly<Record<string, (type: (typeof BODIES)[number]) => LambdaEvent>> = {
    "payload 1.0": (type) => {
      const { body, headers } = signed(type);
      const named = Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]);
      return {
        httpMethod: "POST",
        headers: Object.fromEntries(named),
        multiValueHeaders: Object.fromEntries(named.map(([name, value]) => [name, [value]])),
        body,
        isBase64Encoded: false,
      };
    },
    "payload 2.0": (type) => {
      const { body, headers } = signed(type);
      return {
        requestContext: { http: { method: "POST" } },
        headers,
        body,
        isBase64Encoded: false,
      };
    },
    "a base64 body": (type) => {
      const { body, headers } = signed(type);
      const base64 = Buffer.from(body).toString("base64");
      return {
        requestContext: { http: { method: "POST" } },
        headers,
        body: base64,
        isBase64Encoded: true,
      };
    },
    "a load balancer with lists of headers": (type) => {
      const { body, headers } = signed(type);
      const lists = Object.entries(headers).map(([name, value]) => [name, [value]]);
      return {
        httpMethod: "POST",
        multiValueHeaders: Object.fromEntries(lists),
        body,
        isBase64Encoded: false,
      };
    },
  };

  test.each(Object.entries(events))("lambdaHandler takes events of %s", async (_, eventOf) => {
    const scene = createScene();
    const handle = lambdaHandler(scene.receive);
    for (const type of BODIES) {
      expect(await handle(eventOf(type))).toMatchObject({ statusCode: 204, body: "" });
    }
    expect(scene.events.map(({ rawBody }) => rawBody)).toEqual(
      BODIES.map((type) => eventFixture(type)),
    );
    const forged = { ...eventOf("job.completed"), body: "{}", isBase64Encoded: false };
    expect(await handle(forged)).toMatchObject({
      statusCode: 400,
      headers: { "content-type": "text/plain; charset=utf-8" },
      isBase64Encoded: false,
    });
  });

  test.each([
    ["no body", { httpMethod: "POST", headers: {}, body: null }, 400],
    ["no headers", { httpMethod: "POST", headers: null, body: "{}" }, 400],
    ["a body that is not base64", { httpMethod: "POST", body: "%", isBase64Encoded: true }, 400],
    ["a GET", { requestContext: { http: { method: "GET" } }, headers: {} }, 405],
    ["nothing of HTTP", {}, 405],
  ])("lambdaHandler answers an event with %s", async (_, event, statusCode) => {
    expect(await lambdaHandler(createScene().receive)(event)).toMatchObject({ statusCode });
  });
});
