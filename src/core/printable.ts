const CONTROL_OR_LONE_SURROGATE = /[\p{Cc}\p{Cs}]/u;
const CONTROL = /\p{Cc}/u;

/** True when a text has neither control characters nor halves of surrogate pairs. */
export function isPrintable(text: string): boolean {
  return !CONTROL_OR_LONE_SURROGATE.test(text);
}

export function hasControlCharacter(text: string): boolean {
  return CONTROL.test(text);
}
