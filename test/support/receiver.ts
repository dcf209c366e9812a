import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import { openApiDocument } from "../../src/api/docs/openapi.ts";
import { DescribedAnswers } from "./described-answers.ts";
import { Arrivals } from "./arrivals.ts";
import {
  type Answer,
  answerOf,
  plainHeaders,
  type Script,
  ScriptedServer,
} from "./scripted-server.ts";

/** A callback as it arrived, whether or not its signature holds. */
export interface Callback {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly webhookId: string;
  readonly timestampS: number;
  /** The exact text. */
  readonly body: string;
  /** The same, read. */
  readonly event: CallbackEvent;
  /** Null when the published library verifies it and the API describes such a body. */
  readonly problem: string | null;
  readonly receivedAtMs: number;
}

interface CallbackEvent {
  readonly type: string;
  readonly timestamp: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- JSON that tests look into
  readonly data: any;
}

/** A receiver of callbacks: verifies every one, remembers it, and answers by script (200 without one). */
export interface Receiver {
  readonly origin: string;
  /** Every callback so far, whatever its path. */
  readonly callbacks: readonly Callback[];
  url(path: string): string;
  /** From now on callbacks to the path are answered so; the first after this is number 1. */
  answer(path: string, script: Script<Callback>): void;
  /** Callbacks to the path are verified with this secret instead. */
  expectSecret(path: string, secret: string): void;
  /** Callbacks to the path so far. */
  received(path: string): Callback[];
  /**
   * The first `count` callbacks to the path, as soon as there are so many. Rejects when the
   * signature of any of them does not hold.
   */
  take(path: string, count: number): Promise<Callback[]>;
  /** The first one. */
  takeOne(path: string): Promise<Callback>;
  /** Refuses connections until `open`. */
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Starts one on loopback. */
export async function startReceiver(secret: string): Promise<Receiver> {
  const secrets = new Map<string, string>();
  const scripts = new Map<string, { script: Script<Callback>; asked: number }>();
  const callbacks = new Arrivals<Callback>("callbacks");
  const to = (path: string) => (callback: Callback) => callback.path === path;
  const server = new ScriptedServer(async (request): Promise<Answer> => {
    const path = request.url ?? "";
    const callback = await read(request, secrets.get(path) ?? secret);
    callbacks.push(callback);
    const job = scripts.get(path);
    if (job === undefined) return {};
    job.asked += 1;
    return answerOf(job.script, callback, job.asked);
  });
  await server.open();
  const take = async (path: string, count: number): Promise<Callback[]> => {
    const taken = await callbacks.first(count, to(path));
    const problems = taken.flatMap(({ problem }) => problem ?? []);
    if (problems.length > 0) throw new Error(`unverified callbacks: ${problems.join("; ")}`);
    return taken;
  };
  return {
    get origin() {
      return server.origin;
    },
    callbacks: callbacks.all,
    url: (path) => server.origin + path,
    answer: (path, script) => void scripts.set(path, { script, asked: 0 }),
    expectSecret: (path, other) => void secrets.set(path, other),
    received: (path) => callbacks.matching(to(path)),
    take,
    async takeOne(path) {
      const [callback] = await take(path, 1);
      if (callback === undefined) throw new Error("unreachable");
      return callback;
    },
    close: () => server.close(),
    open: () => server.open(),
  };
}

async function read(request: IncomingMessage, secret: string): Promise<Callback> {
  const headers = plainHeaders(request);
  const body = await text(request);
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    headers,
    webhookId: headers["webhook-id"] ?? "",
    timestampS: Number(headers["webhook-timestamp"]),
    body,
    event: JSON.parse(body) as CallbackEvent,
    problem: problemWith(body, headers, secret) ?? undescribed(body),
    receivedAtMs: Date.now(),
  };
}

const described = new DescribedAnswers(openApiDocument([], "http://gateway"));

/** Why the body is not one of the webhooks that the API describes, or null. */
function undescribed(body: string): string | null {
  try {
    described.checkEvent(JSON.parse(body));
    return null;
  } catch (error) {
    return String(error);
  }
}

function problemWith(
  body: string,
  headers: Readonly<Record<string, string>>,
  secret: string,
): string | null {
  try {
    new Webhook(secret).verify(body, headers);
    return null;
  } catch (error) {
    return String(error);
  }
}
