import { readBounded } from "../receiver/bounded-body.ts";
import { retryWaitMs } from "./retry.ts";
import { type Problem, RingbackError } from "./ringback-error.ts";

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

const ANSWER_BYTES_MAX = 100 * 1024 * 1024;
const PROBLEM_TEXT_MAX = 200;

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
        throw this.#noAnswer(spec, cause);
      });
    if (answer.ok) return answer;
    const bytes = await readBounded(answer, ANSWER_BYTES_MAX);
    const { status, headers: received } = answer;
    throw errorOf({ status, headers: received, bytes, text: new TextDecoder().decode(bytes) });
  }

  #noAnswer({ method, path: at }: RequestSpec, cause: unknown): RingbackError {
    return new RingbackError(`${method} ${at} got no answer from ${this.#base}.`, {
      code: "network_error",
      cause,
    });
  }

  /** Sends it and reads the answer as JSON; undefined when it has no content. */
  async json<T>(spec: RequestSpec, options?: CallOptions): Promise<T> {
    const { text } = await this.send(spec, options);
    return (text === "" ? undefined : JSON.parse(text)) as T;
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
      return answer.ok ? received : errorOf(received);
    } catch (cause) {
      signal.throwIfAborted();
      const { method, path: at } = spec;
      return isTooLate
        ? new RingbackError(`${method} ${at} was not answered within ${timeoutMs} ms.`, {
            code: "request_timed_out",
            cause,
          })
        : this.#noAnswer(spec, cause);
    } finally {
      signal.removeEventListener("abort", onAbort);
      ended.abort();
    }
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
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new TypeError(
      `url must be the gateway's address, such as http://127.0.0.1:8080; this is ${JSON.stringify(url)}.`,
    );
  }
  return url.replace(/\/+$/, "");
}

function errorOf({ status, headers, text }: Received): RingbackError {
  const problem = problemIn(headers, text);
  const parts = {
    status,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfterS: retryAfterS(headers.get("retry-after")),
  };
  if (!isOfGateway(problem)) {
    const message =
      problem?.detail ??
      `The gateway's address answered ${status}, and not as a gateway does: ${text.slice(0, PROBLEM_TEXT_MAX)}`;
    return new RingbackError(message, { ...parts, code: "unexpected_answer" });
  }
  return new RingbackError(problem.detail, {
    ...parts,
    code: problem.code,
    problem,
  });
}

/** Other programs answer with problems of RFC 9457 too, without a code. */
function isOfGateway(problem: Partial<Problem> | null): problem is Problem {
  return typeof problem?.code === "string" && typeof problem.detail === "string";
}

/** Null when somebody else answered. */
function problemIn(headers: Headers, text: string): Partial<Problem> | null {
  if (headers.get("content-type")?.startsWith("application/problem+json") !== true) return null;
  try {
    return JSON.parse(text) as Partial<Problem> | null;
  } catch {
    return null;
  }
}

function retryAfterS(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}
