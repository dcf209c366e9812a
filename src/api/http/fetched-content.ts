import { FETCHED } from "../../core/delivery/event.ts";

/** A result that was fetched, as its event tells. */
export interface FetchedContent {
  readonly content_type: string;
  readonly content_encoding?: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** @param note raw JSON of what became of fetching a result; null as well when nobody wanted it */
export function fetchedContent(note: string | null): FetchedContent | null {
  return note?.startsWith(FETCHED) === true ? (JSON.parse(note) as FetchedContent) : null;
}

export function headersOfJson(bytes: number): Readonly<Record<string, string>> {
  return { "content-type": "application/json", "content-length": String(bytes) };
}

/**
 * Whatever an upstream gave, as it gave it. A browser that is led here keeps it apart from this
 * address: it downloads it, and neither guesses what it is nor runs it.
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
