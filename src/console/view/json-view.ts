import { html } from "hono/html";
import { skipRawString } from "../../core/json/raw-json.ts";
import { type Markup, NOTHING } from "./markup.ts";

/** Values that are shown; the rest is counted, and in the download. */
const VALUES_MAX = 1500;
const DEPTH_MAX = 40;
/** Deeper containers, and longer ones, are closed until somebody opens them. */
const OPEN_DEPTH = 2;
const OPEN_ITEMS_MAX = 50;
const STRING_CHARACTERS_MAX = 4000;

/**
 * A JSON text as a tree that can be folded, without scripts. Every number, string and name is shown as
 * it is spelled in the text.
 * @param text valid JSON
 */
export function jsonView(text: string): Markup {
  return html`<div class="json">${new JsonViewer(text).value(NOTHING, 0)}</div>`;
}

class JsonViewer {
  readonly #text: string;
  #at = 0;
  #shown = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /**
   * The value at the present place, and a step behind it.
   * @param label its name with a colon; empty for an item of an array
   */
  value(label: Markup, depth: number): Markup {
    this.#skipSpace();
    this.#shown += 1;
    const first = this.#text.charAt(this.#at);
    if (first === "{" || first === "[") return this.#container(first, label, depth);
    const source = this.#scalar();
    return html`${label}<span class="${kindOf(first)}">${cut(source)}</span>`;
  }

  #container(open: "{" | "[", label: Markup, depth: number): Markup {
    const close = open === "{" ? "}" : "]";
    const items: Markup[] = [];
    let left = 0;
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
      if (this.#shown >= VALUES_MAX || depth >= DEPTH_MAX) {
        this.#skipValue();
        left += 1;
      } else items.push(html`<li>${this.value(labelOf(name), depth + 1)}</li>`);
    }
    this.#at += 1;
    const count = items.length + left;
    if (count === 0) return html`${label}<span class="quiet">${open}${close}</span>`;
    const isOpen = depth < OPEN_DEPTH && count <= OPEN_ITEMS_MAX;
    const noun = open === "{" ? "member" : "item";
    return html`<details ${isOpen ? "open" : ""}>
      <summary>
        ${label}${open}<span class="quiet"> ${count} ${noun}${count === 1 ? "" : "s"} </span>
      </summary>
      <ul>
        ${items}
        ${left === 0 ? NOTHING : html`<li class="quiet">and ${left} more, which are in the download</li>`}
      </ul>
      ${close}
    </details>`;
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
  return name === null ? NOTHING : html`<span class="key">${cut(name)}</span>: `;
}

function kindOf(first: string): string {
  if (first === '"') return "string";
  return first === "t" || first === "f" || first === "n" ? "word" : "digits";
}

function cut(source: string): string {
  const { length } = source;
  return length <= STRING_CHARACTERS_MAX
    ? source
    : `${source.slice(0, STRING_CHARACTERS_MAX)}… (${length - STRING_CHARACTERS_MAX} more characters)`;
}
