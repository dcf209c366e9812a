import { sliceRawJson } from "../core/json/raw-json.ts";
import { BodyTooLargeError, readBounded } from "./bounded-body.ts";
import { noAnswerOf } from "./no-answer.ts";

/** The result of a job, wherever it is: in the callback, behind its link, or stored by the gateway. */
export interface ResultReader {
  /**
   * The result: JSON as its value, text as a string, anything else as bytes. A result that did not
   * fit into the callback is fetched, once.
   * @throws {ResultUnavailableError}
   */
  readonly result: () => Promise<unknown>;
  /** The text of the result as the job API wrote it, with every digit of its numbers. */
  readonly rawResult: () => Promise<string>;
  /** The bytes of the result. */
  readonly resultBytes: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** A result that can't be had: its link has expired, or what came is not what was stored. */
export class ResultUnavailableError extends Error {
  override readonly name = "ResultUnavailableError";
}

/** How results are fetched. */
export interface ResultFetching {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly resultBytesMax: number;
  readonly resultTimeoutMs: number;
}

/** The members of a callback's `data` that describe its result. */
export interface ResultPlace {
  readonly result_url?: string | undefined;
  readonly result_fetch?:
    | {
        readonly status: "stored";
        readonly sha256: string;
        readonly content_encoding?: string | undefined;
      }
    | { readonly status: "failed" }
    | undefined;
}

interface Content {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const JSON_TYPE = "application/json";

/** @param rawBody the callback, from whose `data` `place` was parsed */
export function resultReader(
  rawBody: string,
  place: ResultPlace,
  fetching: ResultFetching,
): ResultReader {
  let pending: Promise<Content> | null = null;
  const content = (): Promise<Content> => {
    pending ??= contentOf(rawBody, place, fetching).catch((error: unknown) => {
      pending = null;
      throw error;
    });
    return pending;
  };
  return {
    result: async () => valueOf(await content()),
    rawResult: async () => new TextDecoder().decode((await content()).bytes),
    resultBytes: async () => (await content()).bytes,
  };
}

async function contentOf(
  rawBody: string,
  place: ResultPlace,
  fetching: ResultFetching,
): Promise<Content> {
  if (place.result_url !== undefined) return fetchContent(place.result_url, place, fetching);
  const raw = sliceRawJson(rawBody, ["data", "result"]);
  if (raw === null) throw new ResultUnavailableError("The callback has no result.");
  return { type: JSON_TYPE, bytes: new TextEncoder().encode(raw) };
}

async function fetchContent(
  url: string,
  { result_fetch: stored }: ResultPlace,
  { fetch, resultBytesMax, resultTimeoutMs }: ResultFetching,
): Promise<Content> {
  const signal = AbortSignal.timeout(resultTimeoutMs);
  const answer = await fetch(url, { redirect: "manual", signal }).catch(broken);
  if (answer.status !== 200) {
    await answer.body?.cancel();
    throw new ResultUnavailableError(unavailable(answer.status));
  }
  const bytes = await readBounded(answer, resultBytesMax).catch((cause: unknown): never => {
    if (!(cause instanceof BodyTooLargeError)) return broken(cause);
    // A body that is too large itself is another matter, and answered with 413.
    throw new ResultUnavailableError(`The result has more than ${resultBytesMax} bytes.`, {
      cause,
    });
  });
  if (stored?.status === "stored" && stored.content_encoding === undefined) {
    await checkDigest(bytes, stored.sha256);
  }
  return { type: answer.headers.get("content-type") ?? JSON_TYPE, bytes };
}

function broken(cause: unknown): never {
  const { text } = noAnswerOf(cause);
  const reason = text === "" ? "" : `: ${text}`;
  throw new ResultUnavailableError(
    `The link to the result was not answered in full${reason}. Ask for the result again, and check that this program can reach the link's address.`,
    { cause },
  );
}

function unavailable(status: number): string {
  if (status === 403) {
    return "The link to the result has expired. Every attempt of the callback brings a new one; with an API key, GET /v1/events/{id}/result works at any time.";
  }
  const answered = `The link to the result was answered with ${status}.`;
  if (status === 404)
    return `${answered} The gateway no longer keeps the event, or is another one.`;
  if (status === 429 || status >= 500) return `${answered} Ask for the result again in a moment.`;
  return `${answered} Check that RINGBACK_PUBLIC_URL is the gateway's own address.`;
}

async function checkDigest(bytes: Uint8Array<ArrayBuffer>, sha256: string): Promise<void> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== sha256) {
    throw new ResultUnavailableError(
      "The result does not have the SHA-256 that the callback says.",
    );
  }
}

function valueOf({ type, bytes }: Content): unknown {
  const [essence = ""] = type.toLowerCase().split(";");
  const isJson = /^application\/(?:json|.+\+json)$/.test(essence.trim());
  if (!isJson && !essence.startsWith("text/")) return bytes;
  const text = new TextDecoder().decode(bytes);
  return isJson ? parsedResult(text) : text;
}

/** A stored result may have the type of JSON and be none. */
function parsedResult(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ResultUnavailableError(
      "The result is not the JSON that its type says. Read it with rawResult() or resultBytes().",
      { cause },
    );
  }
}
