import { subscribe } from "node:diagnostics_channel";
import { openSync, readSync, writeFileSync } from "node:fs";
import { IncomingMessage } from "node:http";
import { PerformanceObserver } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";
import { machineClockMs } from "./machine-clock.ts";

/*
 * Is loaded into the gateway ahead of its own code by `tail-causes.ts`, and writes down when each
 * message came to each of its steps, with the time that the main thread had run and had waited for
 * a core until then. Linux only.
 */

/** Where the trace is written when the gateway exits. A gateway for a time inherits no `RINGBACK_` names. */
export const TRACE_FILE = "BENCH_TRACE_FILE";

export type Step = "received" | "answered" | "polled" | "ended" | "called" | "taken";

export interface Mark {
  readonly step: Step;
  readonly message: number;
  readonly atMs: number;
  readonly ranMs: number;
  readonly waitedForCoreMs: number;
  /** When the subscription should have been sent; only in the first step. */
  readonly begunAtMs: number | null;
}

export interface Trace {
  readonly marks: readonly Mark[];
  readonly collections: readonly { readonly atMs: number; readonly tookMs: number }[];
}

interface OutgoingRequest {
  readonly path: string;
  readonly body: unknown;
}

const NANOSECONDS = 1e6;
const MESSAGE = /bench-(\d+)/;
const BEGUN_AT = /"begun_at_ms":([\d.]+)/;

const file = process.env[TRACE_FILE];
if (file !== undefined && isMainThread && /\/main\.[jt]s$/.test(process.argv[1] ?? "")) trace(file);

function trace(into: string): void {
  const marks: Mark[] = [];
  const collections: { atMs: number; tookMs: number }[] = [];
  const timesFile = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  const times = Buffer.alloc(64);
  const mark = (step: Step, message: number, begunAtMs: number | null = null): void => {
    const length = readSync(timesFile, times, 0, times.length, 0);
    const [ran, waited] = times.toString("latin1", 0, length).split(" ");
    marks.push({
      step,
      message,
      atMs: machineClockMs(),
      ranMs: Number(ran) / NANOSECONDS,
      waitedForCoreMs: Number(waited) / NANOSECONDS,
      begunAtMs,
    });
  };
  const startedAtMs = machineClockMs() - performance.now();
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      collections.push({ atMs: startedAtMs + startTime, tookMs: duration });
    }
  }).observe({ entryTypes: ["gc"] });
  markSubscriptions(mark);
  markRequests(mark);
  process.on("exit", () => writeFileSync(into, JSON.stringify({ marks, collections })));
}

type Marking = (step: Step, message: number, begunAtMs?: number) => void;

/** A subscription is known by its body, which no channel shows. */
function markSubscriptions(mark: Marking): void {
  const messages = new WeakMap<object, number>();
  const push = Reflect.get(IncomingMessage.prototype, "push");
  IncomingMessage.prototype.push = function (this: IncomingMessage, chunk, encoding) {
    if (this.method === "POST" && Buffer.isBuffer(chunk)) {
      const text = chunk.toString("latin1");
      const message = messageIn(text);
      if (message !== null) {
        messages.set(this, message);
        mark("received", message, Number(BEGUN_AT.exec(text)?.[1]));
      }
    }
    return push.call(this, chunk, encoding);
  };
  subscribe("http.server.response.finish", (of) => {
    const message = messages.get((of as { readonly request: IncomingMessage }).request);
    if (message !== undefined) mark("answered", message);
  });
}

/** A poll names the message in its path, a callback in its body. */
function markRequests(mark: Marking): void {
  const requests = new WeakMap<object, { readonly message: number; readonly isPoll: boolean }>();
  subscribe("undici:request:create", (of) => {
    const { request } = of as { readonly request: OutgoingRequest };
    const polled = messageIn(request.path);
    const message = polled ?? messageIn(textOf(request.body));
    if (message === null) return;
    requests.set(request, { message, isPoll: polled !== null });
    mark(polled === null ? "called" : "polled", message);
  });
  subscribe("undici:request:headers", (of) => {
    const known = requests.get((of as { readonly request: OutgoingRequest }).request);
    if (known !== undefined) mark(known.isPoll ? "ended" : "taken", known.message);
  });
}

function textOf(body: unknown): string {
  if (typeof body === "string") return body;
  return body instanceof Uint8Array ? Buffer.from(body).toString("latin1") : "";
}

function messageIn(text: string): number | null {
  const [, number] = MESSAGE.exec(text) ?? [];
  return number === undefined ? null : Number(number);
}
