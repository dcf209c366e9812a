import type { IncomingHttpHeaders } from "node:http";
import { parameter } from "./key.ts";

/** The client's wishes for the job that it submits. */
export interface SubmitOptions {
  /** Where the callback goes; null to subscribe to nothing. */
  readonly callbackUrl: string | null;
  /** The field of the body that it came from, as a JSON Pointer; null for any other place. */
  readonly callbackField: string | null;
  readonly inbox: string | null;
  /** Raw JSON text. */
  readonly metadata: string | null;
  readonly events: readonly string[] | null;
  readonly payload: string | null;
  readonly deadlineS: number | null;
  readonly idempotencyKey: string | null;
  readonly servesStatus: "cached" | "upstream" | null;
}

/** A header that can't be used, and what would be valid. */
export interface InvalidHeader {
  readonly header: string;
  readonly detail: string;
}

export type OptionsReading =
  | { readonly ok: true; readonly options: SubmitOptions }
  | { readonly ok: false; readonly invalid: readonly InvalidHeader[] };

export const CALLBACK_PARAMETER = "ringback_callback_url";

/** Every header of requests through the gateway that is the gateway's own. */
const OWN_HEADERS = {
  key: "ringback-key",
  callbackUrl: "ringback-callback-url",
  inbox: "ringback-inbox",
  metadata: "ringback-metadata",
  events: "ringback-events",
  payload: "ringback-payload",
  deadline: "ringback-deadline-s",
  idempotencyKey: "ringback-idempotency-key",
  serveStatus: "ringback-serve-status",
} as const;

const KNOWN: ReadonlySet<string> = new Set(Object.values(OWN_HEADERS));
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * Reads the gateway's own headers of a request. A misspelt one is refused: what it was to do would
 * else be missed in silence.
 */
export function readSubmitOptions(
  headers: IncomingHttpHeaders,
  query: string | null,
): OptionsReading {
  const invalid: InvalidHeader[] = [];
  for (const name in headers) {
    if (!name.startsWith("ringback-") || KNOWN.has(name)) continue;
    const detail = `There is no such header; those there are: ${[...KNOWN].join(", ")}.`;
    invalid.push({ header: name.slice(0, 100), detail });
  }
  const text = (name: string): string | null => {
    const value = headers[name];
    const trimmed = value === undefined ? "" : utf8(String(value).trim());
    return trimmed === "" ? null : trimmed;
  };
  const read = new HeaderReader(text, invalid);
  const inQuery = query === null ? null : parameter(query, CALLBACK_PARAMETER);
  const options: SubmitOptions = {
    callbackUrl:
      text(OWN_HEADERS.callbackUrl) ??
      (inQuery === "" || text(OWN_HEADERS.inbox) !== null ? null : inQuery),
    callbackField: null,
    inbox: text(OWN_HEADERS.callbackUrl) === null ? text(OWN_HEADERS.inbox) : null,
    metadata: read.metadata(),
    events: read.events(),
    payload: text(OWN_HEADERS.payload),
    deadlineS: read.deadline(),
    idempotencyKey: read.idempotencyKey() ?? clientsOwnKey(headers),
    servesStatus: read.servesStatus(),
  };
  return invalid.length === 0 ? { ok: true, options } : { ok: false, invalid };
}

class HeaderReader {
  readonly #text: (name: string) => string | null;
  readonly #invalid: InvalidHeader[];

  constructor(text: (name: string) => string | null, invalid: InvalidHeader[]) {
    this.#text = text;
    this.#invalid = invalid;
  }

  metadata(): string | null {
    return this.#read(OWN_HEADERS.metadata, "Must be a JSON object.", (text) => {
      const json: unknown = JSON.parse(text);
      return typeof json === "object" && json !== null && !Array.isArray(json) ? text : null;
    });
  }

  events(): readonly string[] | null {
    return this.#read(OWN_HEADERS.events, "Must name events, joined by commas.", (text) => {
      const names = text.split(",").map((name) => name.trim());
      return names.includes("") ? null : names;
    });
  }

  deadline(): number | null {
    return this.#read(OWN_HEADERS.deadline, "Must be a whole number of seconds.", (text) =>
      /^\d{1,9}$/.test(text) ? Number(text) : null,
    );
  }

  idempotencyKey(): string | null {
    const detail = "Must be 1 to 255 printable ASCII characters.";
    return this.#read(OWN_HEADERS.idempotencyKey, detail, (text) =>
      IDEMPOTENCY_KEY.test(text) ? text : null,
    );
  }

  servesStatus(): "cached" | "upstream" | null {
    return this.#read(OWN_HEADERS.serveStatus, "Must be cached or upstream.", (text) =>
      text === "cached" || text === "upstream" ? text : null,
    );
  }

  #read<T>(header: string, detail: string, parse: (text: string) => T | null): T | null {
    const text = this.#text(header);
    if (text === null) return null;
    const value = tried(() => parse(text));
    if (value === null) this.#invalid.push({ header, detail });
    return value;
  }
}

/** The client's own is forwarded too, and means what its upstream says, so a strange one is no fault. */
function clientsOwnKey({ "idempotency-key": key }: IncomingHttpHeaders): string | null {
  return typeof key === "string" && IDEMPOTENCY_KEY.test(key) ? key : null;
}

/** Node gives headers as Latin-1, and clients send UTF-8. */
function utf8(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}

function tried<T>(work: () => T | null): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
