import { newApiKey } from "../src/runtime/secrets/api-key.ts";
import { serveCommands } from "./worker-process.ts";

/** A client that sends requests as fast as they are answered, whatever the answers are. */

let flooding: AbortController | null = null;
let answered = 0;
let workers: Promise<unknown> = Promise.resolve();

interface Flood {
  readonly url: string;
  /** Null for another key with each request, made up with a good checksum, so that each is looked up. */
  readonly apiKey: string | null;
  readonly concurrency: number;
}

const commands = {
  flood: ({ url, apiKey, concurrency }: Flood) => {
    flooding = new AbortController();
    answered = 0;
    const { signal } = flooding;
    workers = Promise.all(
      Array.from({ length: concurrency }, () => requestUntil(signal, url, apiKey)),
    );
  },
  /** Requests of this flood that were answered so far. */
  answered: () => answered,
  stop: async () => {
    flooding?.abort();
    await workers;
  },
};
export type AttackerCommands = typeof commands;

serveCommands(commands);

async function requestUntil(
  signal: AbortSignal,
  url: string,
  apiKey: string | null,
): Promise<void> {
  while (!signal.aborted) {
    const authorization = `Bearer ${apiKey ?? newApiKey()}`;
    await fetch(url, { headers: { authorization }, signal }).then(
      (response) => response.text(),
      () => "",
    );
    answered += 1;
  }
}
