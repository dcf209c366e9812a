import { BodyTooLargeError, readBounded } from "../receiver/bounded-body.ts";
import {
  type Asked,
  errorOf,
  networkError,
  timeoutError,
  tooLargeError,
  unexpectedAnswer,
} from "./failures.ts";
import { retryWaitMs } from "./retry.ts";
import { RingbackError } from "./ringback-error.ts";

/** How much longer than its own wait the answer to a long request may take. */
export const ANSWER_MARGIN_MS = 10_000;

/** How a request is sent; time, random numbers and the network come from outside. */
export interface TransportOptions {
  /** The gateway's address, with its path if it has one. */
  readonly url: string;
  readonly apiKey: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Rejects with the signal's reason as soon as it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** A new `Idempotency-Key`. */
  readonly newKey: () => string;
  /** How often a request is sent again. */
  readonly retries: number;
  /** Time limit of each try. */
  readonly timeoutMs: number;
}

export type Query = Readonly<
  Record<string, string | number | boolean | readonly string[] | null | undefined>
>;

export interface RequestSpec {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From `/v1/…`; see {@link path}. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** JSON to send as it is, in place of `body`, with every digit of its numbers. */
  readonly bodyText?: string;
  /** Whether to carry it out twice is the same as once; all but POST are. */
  readonly isRepeatable?: boolean;
  /** Time limit of each try of a call that waits on purpose. */
  readonly timeoutMs?: number;
  readonly retries?: number;
}

/** Options of every call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Makes the request harmless to repeat, also from another process; a new one for each call unless given. */
  readonly idempotencyKey?: string | undefined;
}

/** An answer of 2xx, read. */
export interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

/** An answer of JSON. */
export interface ReadAnswer<T> {
  readonly value: T;
  /** The source of the value. */
  readonly text: string;
}

const ANSWER_BYTES_MAX = 100 * 1024 * 1024;

/** A path with its parts percent-encoded, so that each of them stays one. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

/** Sends requests to one gateway, again where that helps and can do no harm. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #base: string;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#base = baseOf(options.url);
  }

  get fetch(): TransportOptions["fetch"] {
    return this.#options.fetch;
  }

  get sleep(): TransportOptions["sleep"] {
    return this.#options.sleep;
  }

  get random(): TransportOptions["random"] {
    return this.#options.random;
  }

  /**
   * Sends it once, for an answer that is read as it comes.
   * @param headers in place of those that every request has
   * @throws {RingbackError} for any answer but 2xx, and for none; the reason of an aborted signal
   */
  async open(
    spec: RequestSpec,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    const init = this.#initOf(spec, null, signal);
    const answer = await this.#options
      .fetch(this.#urlOf(spec), { ...init, headers: { ...init.headers, ...headers } })
      .catch((cause: unknown) => {
        throw networkError(this.#asked(spec), cause);
      });
    if (answer.ok) return answer;
    const bytes = await readBounded(answer, ANSWER_BYTES_MAX);
    const { status, headers: received } = answer;
    throw errorOf(
      { status, headers: received, text: new TextDecoder().decode(bytes) },
      this.#asked(spec),
    );
  }

  /** An answer of JSON with its text, which has every digit of its numbers. */
  async read<T>(spec: RequestSpec, options?: CallOptions): Promise<ReadAnswer<T>> {
    const received = await this.send(spec, options);
    const { text } = received;
    return { value: this.parsed<T>(received, spec, () => true), text };
  }

  /**
   * Sends it and reads the answer as JSON; undefined when it has no content.
   * @param isValid whether it has the members that are read before the caller sees it
   */
  async json<T>(
    spec: RequestSpec,
    options?: CallOptions,
    isValid: (answer: T) => boolean = () => true,
  ): Promise<T> {
    const received = await this.send(spec, options);
    if (received.text === "") return undefined as T;
    return this.parsed(received, spec, isValid);
  }

  /**
   * The answer as JSON.
   * @throws {RingbackError} when it is none, or not valid: a proxy's page may come with 200
   */
  parsed<T>(received: Received, spec: RequestSpec, isValid: (answer: T) => boolean): T {
    const answer = parsedJson(received.text) as T | undefined;
    if (answer !== undefined && isValid(answer)) return answer;
    throw unexpectedAnswer(received, this.#asked(spec));
  }

  /**
   * @throws {RingbackError} for any answer but 2xx, and for none; the reason of the caller's signal when
   *   that is aborted
   */
  async send(spec: RequestSpec, options: CallOptions = {}): Promise<Received> {
    const { random, retries, newKey, sleep } = this.#options;
    const { signal = NEVER } = options;
    const isRepeatable = spec.isRepeatable ?? spec.method !== "POST";
    const key = options.idempotencyKey ?? (spec.method === "POST" ? newKey() : null);
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#try(spec, key, signal);
      if (!(outcome instanceof RingbackError)) return outcome;
      const isLast = tries > (spec.retries ?? retries);
      const waitMs = isLast ? null : retryWaitMs(outcome, tries, isRepeatable, random());
      if (waitMs === null) throw outcome;
      await sleep(waitMs, signal);
    }
  }

  /** One try, in its time. Throws only the reason of the caller's signal. */
  async #try(
    spec: RequestSpec,
    key: string | null,
    signal: AbortSignal,
  ): Promise<Received | RingbackError> {
    signal.throwIfAborted();
    const ended = new AbortController();
    const aborted = new AbortController();
    const timeoutMs = spec.timeoutMs ?? this.#options.timeoutMs;
    let isTooLate = false;
    const onAbort = (): void => aborted.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    // Rejects as soon as the try has ended, which is no failure.
    void this.#options.sleep(timeoutMs, ended.signal).then(
      () => {
        isTooLate = true;
        aborted.abort();
      },
      () => undefined,
    );
    try {
      const answer = await this.#options.fetch(
        this.#urlOf(spec),
        this.#initOf(spec, key, aborted.signal),
      );
      const bytes = await readBounded(answer, ANSWER_BYTES_MAX);
      const { status, headers } = answer;
      const received = { status, headers, bytes, text: new TextDecoder().decode(bytes) };
      return answer.ok ? received : errorOf(received, this.#asked(spec));
    } catch (cause) {
      signal.throwIfAborted();
      const asked = this.#asked(spec);
      if (isTooLate) return timeoutError(asked, timeoutMs, cause);
      if (cause instanceof BodyTooLargeError) return tooLargeError(asked, cause);
      return networkError(asked, cause);
    } finally {
      signal.removeEventListener("abort", onAbort);
      ended.abort();
    }
  }

  #asked({ method, path: at }: RequestSpec): Asked {
    return { method, path: at, base: this.#base };
  }

  #urlOf({ path: at, query = {} }: RequestSpec): string {
    const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
      value === undefined || value === null ? [] : [[name, [value].flat().join(",")]],
    );
    const search = new URLSearchParams(pairs).toString();
    return `${this.#base}${at}${search === "" ? "" : `?${search}`}`;
  }

  #initOf(
    { method, body, bodyText = body === undefined ? undefined : JSON.stringify(body) }: RequestSpec,
    key: string | null,
    signal: AbortSignal,
  ): Omit<RequestInit, "headers"> & { readonly headers: Readonly<Record<string, string>> } {
    const headers: Record<string, string> = {
      accept: "application/json",
      authorization: `Bearer ${this.#options.apiKey}`,
    };
    if (bodyText !== undefined) headers["content-type"] = "application/json";
    if (key !== null) headers["idempotency-key"] = key;
    // Workers know no other way not to follow a redirect, which would take the API key along.
    const init = { method, headers, signal, redirect: "manual" } as const;
    return bodyText === undefined ? init : { ...init, body: bodyText };
  }
}

const NEVER = new AbortController().signal;

function baseOf(url: string): string {
  if (!isAddress(url)) {
    throw new TypeError(
      `url must be the gateway's address, such as http://127.0.0.1:8080; this is ${JSON.stringify(url)}.`,
    );
  }
  return url.replace(/\/+$/, "");
}

/** Whether a path can follow it; `fetch` takes no user or password in it. */
function isAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, search, hash } = new URL(url);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}

/** Undefined when it is no JSON. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
