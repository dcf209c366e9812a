import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { INBOX_NAME } from "../core/delivery/inbox-target.ts";
import type { SubmissionOptions } from "../intake/submission.ts";
import { parameter } from "./key.ts";

/** The options of a request, of which those of the submission are subscribed with. */
export interface ViaOptions extends SubmissionOptions {
  readonly servesStatus: "cached" | "upstream" | null;
}

/** A header that can't be used, and what would be valid. */
export interface InvalidHeader {
  readonly header: string;
  readonly detail: string;
}

type OptionsReading =
  | { readonly ok: true; readonly options: ViaOptions }
  | { readonly ok: false; readonly invalid: readonly InvalidHeader[] };

export const CALLBACK_PARAMETER = "ringback_callback_url";

/** Every header of requests through the gateway that is the gateway's own. */
export const OWN_HEADERS = {
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
/** The one header of these that may come in several lines. */
const LISTS: ReadonlySet<string> = new Set([OWN_HEADERS.events]);
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

const NO_OPTIONS: ViaOptions = {
  callbackUrl: null,
  callbackField: null,
  inbox: null,
  metadata: null,
  events: null,
  payload: null,
  deadlineS: null,
  idempotencyKey: null,
  servesStatus: null,
};

/**
 * Reads the gateway's own headers of a request. A misspelt or empty one is refused: the client would not
 * notice that it had no effect.
 */
export function readViaOptions(
  request: Pick<IncomingMessage, "headers" | "headersDistinct">,
  query: string | null,
): OptionsReading {
  const { headers } = request;
  const own = Object.keys(headers).filter((name) => name.startsWith("ringback-"));
  const inQuery = query === null ? null : parameter(query, CALLBACK_PARAMETER);
  // Most requests say nothing.
  if (own.length === 0 && inQuery === null) {
    const idempotencyKey = clientsOwnKey(headers);
    const isPlain = idempotencyKey === null;
    return { ok: true, options: isPlain ? NO_OPTIONS : { ...NO_OPTIONS, idempotencyKey } };
  }
  const invalid: InvalidHeader[] = [];
  const texts: Partial<Record<string, string>> = {};
  for (const name of own) {
    const reading = textOf(name, request);
    if (reading.ok) texts[name] = reading.text;
    else invalid.push({ header: name.slice(0, 100), detail: reading.detail });
  }
  const read = new HeaderReader(texts, invalid);
  const callbackUrl = texts[OWN_HEADERS.callbackUrl] ?? null;
  const inbox = read.inbox();
  const options: ViaOptions = {
    callbackUrl: callbackUrl ?? (inQuery === "" || inbox !== null ? null : inQuery),
    callbackField: null,
    inbox: callbackUrl === null ? inbox : null,
    metadata: read.metadata(),
    events: read.events(),
    payload: read.payload(),
    deadlineS: read.deadline(),
    idempotencyKey: read.idempotencyKey() ?? clientsOwnKey(headers),
    servesStatus: read.servesStatus(),
  };
  return invalid.length === 0 ? { ok: true, options } : { ok: false, invalid };
}

/** Whether there is anything that a subscription might be refused for. */
export function saysMore(options: ViaOptions): boolean {
  const { callbackUrl, inbox, metadata, events, payload, deadlineS } = options;
  const said = callbackUrl ?? inbox ?? metadata ?? events ?? payload ?? deadlineS;
  return said !== null;
}

function textOf(
  name: string,
  { headers, headersDistinct }: Pick<IncomingMessage, "headers" | "headersDistinct">,
): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string } {
  if (!KNOWN.has(name)) {
    const known = [...KNOWN].join(", ");
    return { ok: false, detail: `There is no such header; those there are: ${known}.` };
  }
  const text = decoded(String(headers[name]).trim());
  if (text === "") return { ok: false, detail: "Must not be empty; leave it out." };
  const isRepeated = (headersDistinct[name]?.length ?? 0) > 1;
  return isRepeated && !LISTS.has(name)
    ? { ok: false, detail: "Must be given once." }
    : { ok: true, text };
}

class HeaderReader {
  readonly #texts: Partial<Record<string, string>>;
  readonly #invalid: InvalidHeader[];

  constructor(texts: Partial<Record<string, string>>, invalid: InvalidHeader[]) {
    this.#texts = texts;
    this.#invalid = invalid;
  }

  inbox(): string | null {
    const detail =
      "Must be 1 to 64 letters, digits, dots, dashes and underscores, starting with a letter or digit.";
    return this.#read(OWN_HEADERS.inbox, detail, (text) => (INBOX_NAME.test(text) ? text : null));
  }

  payload(): string | null {
    return this.#read(OWN_HEADERS.payload, "Must be full or thin.", (text) =>
      text === "full" || text === "thin" ? text : null,
    );
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
    const text = this.#texts[header];
    if (text === undefined) return null;
    const value = tried(() => parse(text));
    if (value === null) this.#invalid.push({ header, detail });
    return value;
  }
}

/** The client's own is forwarded too, and means what its upstream says, so a strange one is no fault. */
function clientsOwnKey({ "idempotency-key": key }: IncomingHttpHeaders): string | null {
  return typeof key === "string" && IDEMPOTENCY_KEY.test(key) ? key : null;
}

/** Node gives the bytes of a header as Latin-1. Some clients send that, others UTF-8. */
function decoded(text: string): string {
  const bytes = Buffer.from(text, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : text;
}

function tried<T>(work: () => T | null): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
