import { DescribedAnswers } from "./described-answers.ts";
import { API_KEY } from "./gateway-environment.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- JSON that tests look into
export type Json = any;

interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text read as JSON; null when there is none. */
  readonly body: Json;
}

/** A request with the API key, unless `headers` say otherwise; a string is sent as it is. */
export type Api = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<ApiAnswer>;

/** Requests to the gateway at this address. */
export function apiOf(url: string): Api {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers: answered } = response;
    const head = { method, path: path.replace(/[?#].*/, ""), status, headers: answered };
    await (await describedBy(url)).check(head, async () => text);
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return {
      status,
      headers: answered,
      text,
      body: isJson ? JSON.parse(text) : null,
    };
  };
}

/** By the document that the first gateway of these tests serves: it is the same for all of them. */
let described: DescribedAnswers | null = null;

async function describedBy(url: string): Promise<DescribedAnswers> {
  described ??= new DescribedAnswers((await (await fetch(`${url}/openapi.json`)).json()) as object);
  return described;
}

const UNTIL_TIMEOUT_MS = 60_000;
const ASK_AGAIN_MS = 5;

export async function askUntil(
  api: Api,
  path: string,
  isReached: (body: Json) => boolean,
): Promise<Json> {
  const giveUpAt = performance.now() + UNTIL_TIMEOUT_MS;
  for (;;) {
    const { body, text } = await api("GET", path);
    if (isReached(body)) return body;
    if (performance.now() > giveUpAt) throw new Error(`${path} stayed: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}
