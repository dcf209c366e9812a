import { BareServer, encodeAnswer, type Answering } from "./bare-server.ts";
import { machineClockMs } from "./machine-clock.ts";
import { serveCommands } from "./worker-process.ts";

/** A fast upstream, in Pulse's format. The benchmark controls its jobs. */

const JOB = {
  job_id: "job",
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:01Z",
};
const RUNNING = encodeAnswer(200, JSON.stringify({ ...JOB, status: "processing" }));
const JOBS_COUNTED_MAX = 2 ** 23;
/** After a pause of the polls, not more than this is made up for. */
const RATE_BURST_MS = 10;

const server = new BareServer(() => RUNNING);

const commands = {
  listen: () => server.listen(),
  requests: () => server.requests,
  /** All jobs run. */
  hold: () => server.setAnswering(() => RUNNING),
  /** All jobs have completed. */
  complete: ({ result }: { readonly result: unknown }) => {
    const answer = completed(result);
    server.setAnswering(() => answer);
  },
  /** All jobs have completed, with a text as a document might hold it. */
  completeWithText: ({ bytes }: { readonly bytes: number }) => {
    const answer = completed(proseOf(bytes));
    server.setAnswering(() => answer);
  },
  completeAfter: (plan: { readonly runningPolls: number; readonly result: unknown }) =>
    server.setAnswering(completingAfter(plan.runningPolls, completed(plan.result))),
  completeAtRate: ({ perSecond }: { readonly perSecond: number }) =>
    server.setAnswering(completingAtRate(1000 / perSecond)),
};
export type UpstreamCommands = typeof commands;

serveCommands(commands);

function completed(result: unknown): Buffer {
  return encodeAnswer(200, JSON.stringify({ ...JOB, status: "completed", result }));
}

/** Each job, told by the number at the end of its id, completes after as many running answers. */
function completingAfter(runningPolls: number, last: Buffer): Answering {
  const polls = new Uint8Array(JOBS_COUNTED_MAX);
  return ({ number }) => {
    const before = polls[number] ?? runningPolls;
    if (before >= runningPolls) return last;
    polls[number] = before + 1;
    return RUNNING;
  };
}

/** Whichever job is polled when it is time for an ending completes; its result says when that was. */
function completingAtRate(intervalMs: number): Answering {
  let nextAtMs = machineClockMs();
  return () => {
    const nowMs = machineClockMs();
    if (nowMs < nextAtMs) return RUNNING;
    nextAtMs = Math.max(nextAtMs, nowMs - RATE_BURST_MS) + intervalMs;
    return completed({ ended_at_ms: nowMs });
  };
}

const WORDS = ["the", "amount", "due", "invoice", "4711", "net", "of", "page", "| --- |", "total"];

/** Words in no order that repeats, so that it compresses about as well as a document does. */
function proseOf(bytes: number): string {
  const words: string[] = [];
  let state = 1;
  for (let length = 0; length < bytes;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const word = `${WORDS[(state >>> 16) % WORDS.length]}${(state >>> 20) % 100}`;
    words.push(word);
    length += word.length + 1;
  }
  return words.join(" ").slice(0, bytes);
}
