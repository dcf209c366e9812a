import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import { InvalidArgumentError } from "commander";

/** Where the messages of an inbox go. */
export interface Target {
  /** Null for the inbox of `--inbox`. */
  readonly inbox: string | null;
  readonly url: string;
}

/** `[inbox=]url`; a port or an address without `http://` will do. Given more than once. */
export function targetsFrom(text: string, before: readonly Target[] = []): Target[] {
  const [, name, place = ""] = /^(?:([A-Za-z0-9][\w.-]*)=)?([^]*)$/.exec(text) ?? [];
  if (name !== undefined && !INBOX_NAME.test(name)) throw invalid();
  return [...before, { inbox: name ?? null, url: urlOf(place) }];
}

function urlOf(place: string): string {
  if (/^\d{1,5}$/.test(place)) return `http://localhost:${place}/`;
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(place) ? place : `http://${place}`;
  if (place === "" || !URL.canParse(text)) throw invalid();
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol)) throw invalid();
  return url.href;
}

function invalid(): InvalidArgumentError {
  return new InvalidArgumentError(
    "Give a URL such as http://localhost:3000/hook or localhost:3000/hook, after an inbox and = if you like.",
  );
}
