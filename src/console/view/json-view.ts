import { html } from "hono/html";
import { type JsonPath, skipRawString } from "../../core/json/raw-json.ts";
import { type Markup, NOTHING } from "./markup.ts";

/** Values that are shown; the rest is counted. */
const VALUES_MAX = 1500;
const DEPTH_MAX = 40;
/** Deeper containers, and longer ones, are closed until somebody opens them. */
const OPEN_DEPTH = 2;
const OPEN_ITEMS_MAX = 50;
const STRING_CHARACTERS_MAX = 4000;

interface JsonViewOptions {
  /** The address of a value that is not shown whole, from an item or member of it on; null for none. */
  readonly linkTo?: (at: JsonPath, from: number) => string | null;
  /** Where the text is in a larger one. */
  readonly at?: JsonPath;
  /** The first item or member that is shown. */
  readonly from?: number;
}

/**
 * A JSON text as a tree that can be folded, without scripts. Every number, string and name is shown as
 * it is spelled in the text.
 * @param text valid JSON
 */
export function jsonView(text: string, options: JsonViewOptions = {}): Markup {
  const viewer = new JsonViewer(text, options);
  return html`<div class="json">${viewer.value(NOTHING, options.at ?? [], 0)}</div>`;
}

class JsonViewer {
  readonly #text: string;
  readonly #linkTo: NonNullable<JsonViewOptions["linkTo"]>;
  readonly #from: number;
  #at = 0;
  #shown = 0;

  constructor(text: string, { linkTo = () => null, from = 0 }: JsonViewOptions) {
    this.#text = text;
    this.#linkTo = linkTo;
    this.#from = from;
  }

  /**
   * The value at the present place, and a step behind it.
   * @param label its name with a colon; empty for an item of an array
   * @param path its own
   */
  value(label: Markup, path: JsonPath, depth: number): Markup {
    this.#skipSpace();
    this.#shown += 1;
    const first = this.#text.charAt(this.#at);
    if (first === "{" || first === "[") return this.#container(first, { label, path, depth });
    const source = this.#scalar();
    const isCut = depth > 0 && source.length > STRING_CHARACTERS_MAX;
    const shown = isCut ? cut(source, this.#linkTo(path, 0)) : source;
    return html`${label}<span class="${kindOf(first)}">${shown}</span>`;
  }

  #container(
    open: "{" | "[",
    {
      label,
      path,
      depth,
    }: { readonly label: Markup; readonly path: JsonPath; readonly depth: number },
  ): Markup {
    const close = open === "{" ? "}" : "]";
    const items: Markup[] = [];
    const from = depth === 0 ? this.#from : 0;
    let count = 0;
    /** The first that is left out at the end. */
    let leftFrom: number | null = null;
    this.#at += 1;
    for (;;) {
      this.#skipSpace();
      const next = this.#text.charAt(this.#at);
      if (next === close || next === "") break;
      if (next === ",") {
        this.#at += 1;
        continue;
      }
      const name = open === "{" ? this.#name() : null;
      const isFull = this.#shown >= VALUES_MAX || depth >= DEPTH_MAX;
      if (count < from) this.#skipValue();
      else if (isFull) {
        this.#skipValue();
        leftFrom ??= count;
      } else {
        const itemPath = [...path, name === null ? count : nameOf(name)];
        items.push(html`<li>${this.value(labelOf(name), itemPath, depth + 1)}</li>`);
      }
      count += 1;
    }
    this.#at += 1;
    if (count === 0) return html`${label}<span class="quiet">${open}${close}</span>`;
    const isOpen = depth < OPEN_DEPTH && count <= OPEN_ITEMS_MAX;
    const noun = open === "{" ? "member" : "item";
    return html`<details ${isOpen ? "open" : ""}>
      <summary>
        ${label}${open}<span class="quiet"> ${count} ${noun}${count === 1 ? "" : "s"} </span>
      </summary>
      <ul>
        ${from === 0 ? NOTHING : html`<li class="quiet">${Math.min(from, count)} before these</li>`}
        ${items} ${leftFrom === null ? NOTHING : this.#more(path, leftFrom, count)}
      </ul>
      ${close}
    </details>`;
  }

  #more(path: JsonPath, from: number, count: number): Markup {
    const link = this.#linkTo(path, from);
    const text = `and ${count - from} more`;
    return link === null
      ? html`<li class="quiet">${text}</li>`
      : html`<li><a href="${link}">${text}: next part</a></li>`;
  }

  #name(): string {
    const from = this.#at;
    this.#at = skipRawString(this.#text, from);
    const name = this.#text.slice(from, this.#at);
    this.#skipSpace();
    this.#at += 1;
    return name;
  }

  #scalar(): string {
    const from = this.#at;
    if (this.#text.charAt(from) === '"') this.#at = skipRawString(this.#text, from);
    else
      while (this.#at < this.#text.length && !/[\s,\]}]/.test(this.#text.charAt(this.#at)))
        this.#at += 1;
    // A text that is no JSON must not hold the reader in its place.
    if (this.#at === from) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  #skipValue(): void {
    let depth = 0;
    do {
      this.#skipSpace();
      const next = this.#text.charAt(this.#at);
      if (next === "{" || next === "[") {
        depth += 1;
        this.#at += 1;
      } else if (next === "}" || next === "]") {
        depth -= 1;
        this.#at += 1;
      } else if (next === "," || next === ":") this.#at += 1;
      else this.#scalar();
    } while (depth > 0 && this.#at < this.#text.length);
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && this.#text.charCodeAt(this.#at) <= 0x20) this.#at += 1;
  }
}

function labelOf(name: string | null): Markup {
  if (name === null) return NOTHING;
  const shown = name.length > STRING_CHARACTERS_MAX ? cut(name, null) : name;
  return html`<span class="key">${shown}</span>: `;
}

/** A name as it is without its quotes and escapes. */
function nameOf(source: string): string {
  try {
    return JSON.parse(source) as string;
  } catch {
    return source;
  }
}

function kindOf(first: string): string {
  if (first === '"') return "string";
  return first === "t" || first === "f" || first === "n" ? "word" : "digits";
}

/** @param link to the whole text */
function cut(source: string, link: string | null): Markup {
  const left = `${(source.length - STRING_CHARACTERS_MAX).toLocaleString("en-US")} more characters`;
  return html`${source.slice(0, STRING_CHARACTERS_MAX)}…
  (${link === null ? left : html`<a href="${link}">${left}</a>`})`;
}
