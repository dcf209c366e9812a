/**
 * Where the events of a subscription go that names an inbox: in the place of a callback URL, and of
 * its origin. No URL that callbacks may go to has this scheme.
 */
const SCHEME = "inbox:";

/** 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit. */
export const INBOX_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

export function inboxTarget(name: string): string {
  return `${SCHEME}${name}`;
}

export function isInboxTarget(target: string): boolean {
  return target.startsWith(SCHEME);
}

/** The name of the inbox, or null for a URL or an origin. */
export function inboxOfTarget(target: string): string | null {
  return isInboxTarget(target) ? target.slice(SCHEME.length) : null;
}

/** In SQL: whether a target is an inbox. */
export function isInboxTargetSql(target: string): string {
  return `starts_with(${target}, '${SCHEME}')`;
}
