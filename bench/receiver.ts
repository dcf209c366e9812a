import { BareServer, encodeAnswer, type BareRequest } from "./bare-server.ts";
import { machineClockMs } from "./machine-clock.ts";
import { ResultReader, type ResultReading } from "./result-reader.ts";
import { serveCommands } from "./worker-process.ts";

/** A fast receiver that takes every callback, on several origins if asked. */

const TAKEN = encodeAnswer(204, "");
const CALLBACKS_TALLIED_MAX = 2 ** 23;
const BEGUN_AT = /"(?:ended|begun)_at_ms":([\d.]+)/;
const RESULT_URL = /"result_url":"([^"]+)"/;

/** A byte for each callback number that was seen, or null. */
let tally: Uint8Array | null = null;
let distinct = 0;
/** From an ending at the upstream, or from its subscription, to a callback. */
let lagsMs: number[] = [];
let reader: ResultReader | null = null;

const server = new BareServer(() => TAKEN);

const commands = {
  listen: ({ origins }: { readonly origins: number }) =>
    Promise.all(Array.from({ length: origins }, () => server.listen())),
  /** Callbacks taken so far. */
  answered: () => server.answered,
  /** From now on, answers so long after. */
  delay: ({ ms }: { readonly ms: number }) => {
    server.delayMs = ms;
  },
  /** Takes callbacks without an answer until released. */
  hold: () => server.hold(),
  release: () => server.release(),
  /** From now on, tells callbacks apart by the number at the end of their path. */
  tally: () => {
    tally = new Uint8Array(CALLBACKS_TALLIED_MAX);
    distinct = 0;
    server.setAnswering(tallied);
  },
  distinct: () => distinct,
  /** From now on, notes how long ago the job ended or was subscribed to, as the body says. */
  timeLags: () => {
    lagsMs = [];
    server.setAnswering(timed);
  },
  lagsMs: () => lagsMs,
  /** From now on, downloads the results that callbacks refer to. */
  readResults: (options: { readonly apiKey: string; readonly concurrency: number }) => {
    const reading = new ResultReader(options);
    reader = reading;
    server.setAnswering((request) => {
      reading.read(RESULT_URL.exec(request.body)?.[1] ?? "");
      return TAKEN;
    });
  },
  resultsRead: (): ResultReading => {
    if (reader === null) throw new Error("No results were asked for.");
    return reader.reading;
  },
};
export type ReceiverCommands = typeof commands;

serveCommands(commands);

function tallied({ number }: BareRequest): Buffer {
  if (tally?.[number] === 0) {
    tally[number] = 1;
    distinct += 1;
  }
  return TAKEN;
}

function timed({ body }: BareRequest): Buffer {
  lagsMs.push(machineClockMs() - Number(BEGUN_AT.exec(body)?.[1]));
  return TAKEN;
}
