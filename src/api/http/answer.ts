/**
 * A handler's response. Bodies are whole texts, into which raw JSON is spliced, not parsed; larger
 * content is opened as a stream when it is actually sent.
 */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | (() => ReadableStream<Uint8Array>) | null;
}

const JSON_TYPE = { "content-type": "application/json" };

/** @param body JSON text */
export function jsonAnswer(
  status: number,
  body: string,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return {
    status,
    headers: headers === undefined ? JSON_TYPE : { ...JSON_TYPE, ...headers },
    body,
  };
}

export const NO_CONTENT: Answer = { status: 204, headers: {}, body: null };

/** `{"object": "list", "data": […], "has_more": …, "next_cursor": …}` from the JSON texts of the items. */
export function pageAnswer(
  items: readonly string[],
  nextCursor: string | null,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return jsonAnswer(
    200,
    `{"object":"list","data":[${items.join(",")}],"has_more":${nextCursor !== null},"next_cursor":${JSON.stringify(nextCursor)}}`,
    headers,
  );
}

const RECENT = 16;
const recent: { readonly ms: number; readonly text: string }[] = [];

/** An ISO 8601 time of epoch milliseconds. Responses repeat the same few times. */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null): string | null;
export function isoTime(ms: number | null): string | null {
  if (ms === null) return null;
  const place = Math.trunc(ms) & (RECENT - 1);
  const known = recent[place];
  if (known?.ms === ms) return known.text;
  const text = new Date(ms).toISOString();
  recent[place] = { ms, text };
  return text;
}
