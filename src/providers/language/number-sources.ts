import { mayLoseDigits } from "../../core/json/exact-number.ts";
import { sliceRawJson, splitRawArray } from "../../core/json/raw-json.ts";
import { type PointerTokens, pointerText } from "./json-pointer.ts";
import type { BodyReading } from "./read-body.ts";
import type { Steps } from "./steps.ts";

/** The digits of a response's numbers, for those that a double can't distinguish. */
export interface NumberSources {
  /** The remaining budget for the response. */
  readonly steps: Steps;
  readonly mayLoseDigits: boolean;
  /** The value's spelling there; empty when there is none. */
  sourceAt(tokens: PointerTokens): string;
}

/** The numbers of a whole response. Nothing is looked up before it is needed. */
export class AnswerNumbers implements NumberSources {
  readonly steps: Steps;
  readonly #text: string;
  #mayLoseDigits: boolean | null = null;
  #found: Map<string, string> | null = null;

  constructor(body: BodyReading) {
    this.steps = body.steps;
    this.#text = body.kind === "json" ? body.text : "";
  }

  get mayLoseDigits(): boolean {
    return (this.#mayLoseDigits ??=
      this.steps.scan(this.#text.length) && mayLoseDigits(this.#text));
  }

  /** Cached, since many rules may look at one place of a long response. */
  sourceAt(tokens: PointerTokens): string {
    this.#found ??= new Map();
    const pointer = pointerText(tokens);
    const known = this.#found.get(pointer);
    if (known !== undefined) return known;
    if (!this.steps.scan(this.#text.length)) return "";
    const source = sliceRawJson(this.#text, tokens) ?? "";
    this.#found.set(pointer, source);
    return source;
  }
}

/** The numbers of one element of an array, the one at `index`. */
export class ElementNumbers implements NumberSources {
  index = 0;
  readonly #whole: NumberSources;
  readonly #array: PointerTokens;
  readonly #count: number;
  #elements: readonly string[] | null = null;

  /** @param count how many elements are searched */
  constructor(whole: NumberSources, array: PointerTokens, count: number) {
    this.#whole = whole;
    this.#array = array;
    this.#count = count;
  }

  get steps(): Steps {
    return this.#whole.steps;
  }

  get mayLoseDigits(): boolean {
    return this.#whole.mayLoseDigits;
  }

  sourceAt(tokens: PointerTokens): string {
    this.#elements ??= this.#split();
    const element = this.#elements[this.index] ?? "";
    return this.steps.scan(element.length) ? (sliceRawJson(element, tokens) ?? "") : "";
  }

  #split(): readonly string[] {
    const array = this.#whole.sourceAt(this.#array);
    return this.steps.scan(array.length) ? splitRawArray(array, this.#count) : [];
  }
}
