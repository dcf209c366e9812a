import { FETCHED } from "../../core/delivery/event.ts";

/** A result that was fetched, as its event describes it. */
export interface FetchedContent {
  readonly content_type: string;
  readonly content_encoding?: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * @param note raw JSON of the outcome of fetching a result; null also when no subscription wanted
 *   it
 */
export function fetchedContent(note: string | null): FetchedContent | null {
  return note?.startsWith(FETCHED) === true ? (JSON.parse(note) as FetchedContent) : null;
}

export function headersOfJson(bytes: number): Readonly<Record<string, string>> {
  return { "content-type": "application/json", "content-length": String(bytes) };
}

/**
 * Content from an upstream is passed on unchanged. A browser that follows the link keeps it apart
 * from this address: it downloads it, and neither sniffs its type nor runs it.
 */
export function headersOfContent(content: FetchedContent): Readonly<Record<string, string>> {
  return {
    "content-type": content.content_type,
    ...(content.content_encoding !== undefined && {
      "content-encoding": content.content_encoding,
    }),
    "content-length": String(content.bytes),
    etag: `"${content.sha256}"`,
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
  };
}
