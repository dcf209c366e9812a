import { serveCommands } from "./worker-process.ts";

/** A client that sends requests as fast as they are answered, whatever the answers are. */

const RANDOM_KEY_LENGTH = 40;
let flooding: AbortController | null = null;
let workers: Promise<unknown> = Promise.resolve();

interface Flood {
  readonly url: string;
  /** Null for another made-up key with each request. */
  readonly apiKey: string | null;
  readonly concurrency: number;
}

const commands = {
  flood: ({ url, apiKey, concurrency }: Flood) => {
    flooding = new AbortController();
    const { signal } = flooding;
    workers = Promise.all(
      Array.from({ length: concurrency }, () => requestUntil(signal, url, apiKey)),
    );
  },
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
    const authorization = `Bearer ${apiKey ?? madeUpKey()}`;
    await fetch(url, { headers: { authorization }, signal }).then(
      (response) => response.text(),
      () => "",
    );
  }
}

function madeUpKey(): string {
  const digits = Array.from({ length: RANDOM_KEY_LENGTH }, () =>
    Math.floor(Math.random() * 36).toString(36),
  );
  return `rb_${digits.join("")}`;
}
