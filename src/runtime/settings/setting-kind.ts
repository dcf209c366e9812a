/** The value read from a setting's text, or the problem with it, which never contains the text. */
export type Reading<T> = { readonly value: T } | { readonly problem: string };

/** A kind of setting: the valid values in words, and how its text is read. */
export interface SettingKind<T> {
  readonly valid: string;
  read(text: string): Reading<T>;
}

export function wholeNumber(least: number, most: number): SettingKind<number> {
  return {
    valid: `a whole number from ${least} to ${most}`,
    read(text) {
      if (!/^-?\d+$/.test(text)) return { problem: "is not a whole number" };
      const value = Number(text);
      if (value < least) return { problem: "is too small" };
      return value > most ? { problem: "is too large" } : { value };
    },
  };
}

/** Text that matches a pattern, used as it is. */
export function textLike(pattern: RegExp, valid: string): SettingKind<string> {
  return {
    valid,
    read: (text) => (pattern.test(text) ? { value: text } : { problem: "has the wrong form" }),
  };
}

export function oneOf<T extends string>(values: readonly T[]): SettingKind<T> {
  return {
    valid: `one of ${values.join(", ")}`,
    read(text) {
      const value = values.find((candidate) => candidate === text.toLowerCase());
      return value === undefined ? { problem: "is none of the values it can have" } : { value };
    },
  };
}

export const onOrOff: SettingKind<boolean> = {
  valid: "1 or 0",
  read: (text) =>
    /^[01]$/.test(text) ? { value: text === "1" } : { problem: "is neither 1 nor 0" },
};

/** A base URL: http or https, without a trailing slash. */
export const baseUrl: SettingKind<string> = {
  valid: "an http:// or https:// URL without user, query or fragment",
  read(text) {
    const url = URL.parse(text);
    if (url === null) return { problem: "is not a URL" };
    if (!/^https?:$/.test(url.protocol)) return { problem: "is not an http:// or https:// URL" };
    if (url.username !== "" || url.password !== "") return { problem: "has a user in it" };
    if (/[?#]/.test(text)) return { problem: "has a query or a fragment" };
    return { value: url.href.replace(/\/+$/, "") };
  },
};

/** Comma-separated items of one kind; a problem names the item by its place. */
export function listOf<T>(kind: SettingKind<T>, itemsMax: number): SettingKind<readonly T[]> {
  return {
    valid: `up to ${itemsMax} items between commas, each ${kind.valid}`,
    read(text) {
      const items = text.split(",");
      if (items.length > itemsMax) return { problem: "has too many items" };
      const values: T[] = [];
      for (const [index, item] of items.entries()) {
        const reading = kind.read(item.trim());
        if ("problem" in reading) return { problem: `item ${index + 1} ${reading.problem}` };
        values.push(reading.value);
      }
      return { value: values };
    },
  };
}
