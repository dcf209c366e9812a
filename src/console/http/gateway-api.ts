import type { RequestBindings } from "../../api/app.ts";
import type { Clock } from "../../runtime/clock.ts";

/** The API of this gateway, called in this process. */
export type ApiFetch = (
  request: Request,
  bindings: RequestBindings,
) => Response | Promise<Response>;

/** More reads would outlast the patience of a person, or of a proxy in between. */
const RETRIES_MAX = 2;
const RETRY_AFTER_S_MAX = 2;

/**
 * Repeats reads that are refused with 429, after the time that the refusal names: a project reads few
 * lists at once, and several people who open their pages at the same moment all get them that way. A refusal
 * that asks for a longer wait is returned at once, and so is the last one.
 */
export function retryingReads(fetch: ApiFetch, clock: Clock): ApiFetch {
  return async (request, bindings) => {
    for (let retries = 0; ; retries += 1) {
      const response = await fetch(request, bindings);
      const waitS = retryAfterS(request, response);
      if (waitS === null || retries === RETRIES_MAX) return response;
      await new Promise<void>((resolve) => void clock.setTimer(waitS * 1000, resolve));
    }
  };
}

/** Seconds to the next attempt; null when there is none. */
function retryAfterS({ method }: Request, { status, headers }: Response): number | null {
  if (method !== "GET" || status !== 429) return null;
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return seconds <= RETRY_AFTER_S_MAX ? seconds : null;
}

/** RFC 9457, as far as people are shown it. */
export interface ProblemBody {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly { readonly pointer?: string; readonly detail: string }[];
}

/** An answer of the API that is a problem. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail);
    this.body = body;
  }
}

type Query = Readonly<Record<string, string | number | null | undefined>>;

const ANY_HOST = "http://localhost";

/**
 * The API as a session sees it. Every page is made of what these requests answer, with the session's
 * own key, so the console shows and does nothing that the API would not.
 */
export class GatewayApi {
  readonly #fetch: ApiFetch;
  readonly #bindings: RequestBindings;
  readonly #forwardedFor: string | null;

  constructor(fetch: ApiFetch, bindings: RequestBindings, forwardedFor: string | null) {
    this.#fetch = fetch;
    this.#bindings = bindings;
    this.#forwardedFor = forwardedFor;
  }

  /** @throws ApiProblem */
  async get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return JSON.parse(await this.text(path, query)) as Answer;
  }

  /**
   * The JSON text of an answer, in which every number has the digits that it came with.
   * @throws ApiProblem
   */
  async text(path: string, query: Query = {}): Promise<string> {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === null || value === undefined || value === "" ? [] : [[name, String(value)]],
    );
    const search = new URLSearchParams(given).toString();
    const response = await this.#send("GET", `${path}${search === "" ? "" : `?${search}`}`);
    return response.text();
  }

  /** An answer as it is, for one that is passed on. */
  stream(path: string): Promise<Response> {
    return this.#send("GET", path);
  }

  /** @throws ApiProblem */
  async send<Answer>(
    method: "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: object,
  ): Promise<Answer> {
    const response = await this.#send(method, path, body);
    const text = await response.text();
    return (text === "" ? null : JSON.parse(text)) as Answer;
  }

  async #send(method: string, path: string, body?: object): Promise<Response> {
    const headers = new Headers();
    if (this.#forwardedFor !== null) headers.set("x-forwarded-for", this.#forwardedFor);
    if (body !== undefined) headers.set("content-type", "application/json");
    const request = new Request(ANY_HOST + path, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const response = await this.#fetch(request, this.#bindings);
    if (response.status < 400) return response;
    throw new ApiProblem((await response.json()) as ProblemBody);
  }
}

/** One page of a list. */
export interface Page<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}
