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
