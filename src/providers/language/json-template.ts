import { isExactNumber } from "../../core/json/exact-number.ts";
import { isObject } from "./json-pointer.ts";
import { encodeJsonText, readTemplate, type Slot, type Template } from "./template.ts";

const DEPTH_MAX = 20;
const VALUES_MAX = 1000;
/** A text of nothing but this stands for a number. */
const NUMBER_PLACEHOLDER = /^\{#([^{}]+)\}$/;

interface JsonTemplateProblem {
  readonly message: string;
  readonly path: PropertyKey[];
}

/** Why a JSON value can't be a body whose strings are templates, and where, or null. */
export function jsonTemplateProblem(
  value: unknown,
  hasAnswer: boolean,
): JsonTemplateProblem | null {
  const reading = new Reading(hasAnswer);
  reading.read(value, []);
  return reading.problem;
}

/**
 * The JSON text of such a value, cut where its strings have placeholders.
 * @param value has no `jsonTemplateProblem`
 */
export function compileJsonTemplate(value: unknown, hasAnswer: boolean): Template {
  const reading = new Reading(hasAnswer);
  reading.read(value, []);
  if (reading.problem !== null) throw new Error(`Never validated: ${reading.problem.message}`);
  return reading.template;
}

/** Its placeholders, as far as it can be read. */
export function jsonTemplateSlots(value: unknown): readonly Slot[] {
  const reading = new Reading(true);
  reading.read(value, []);
  return reading.template.slots;
}

/** One walk through a value; it stops at the first problem. */
class Reading {
  problem: JsonTemplateProblem | null = null;
  readonly #hasAnswer: boolean;
  readonly #literals = [""];
  readonly #slots: Slot[] = [];
  #values = 0;

  constructor(hasAnswer: boolean) {
    this.#hasAnswer = hasAnswer;
  }

  get template(): Template {
    return { literals: this.#literals, slots: this.#slots };
  }

  read(value: unknown, path: readonly PropertyKey[]): void {
    this.#values += 1;
    if (path.length > DEPTH_MAX) return this.#fail(`nested more than ${DEPTH_MAX} levels`, path);
    if (this.#values > VALUES_MAX) return this.#fail(`more than ${VALUES_MAX} values`, path);
    if (Array.isArray(value)) this.#list(value, path);
    else if (isExactNumber(value)) this.#write(value.rawJSON);
    else if (isObject(value)) this.#members(value, path);
    else if (typeof value === "string") this.#text(value, path);
    else this.#write(JSON.stringify(value ?? null));
  }

  #list(items: readonly unknown[], path: readonly PropertyKey[]): void {
    this.#write("[");
    for (const [index, item] of items.entries()) {
      if (index > 0) this.#write(",");
      this.read(item, [...path, index]);
      if (this.problem !== null) return;
    }
    this.#write("]");
  }

  #members(value: Readonly<Record<string, unknown>>, path: readonly PropertyKey[]): void {
    this.#write("{");
    for (const [index, [key, member]] of Object.entries(value).entries()) {
      this.#write(`${index > 0 ? "," : ""}${JSON.stringify(key)}:`);
      this.read(member, [...path, key]);
      if (this.problem !== null) return;
    }
    this.#write("}");
  }

  #text(written: string, path: readonly PropertyKey[]): void {
    const number = NUMBER_PLACEHOLDER.exec(written)?.[1];
    const source = number === undefined ? written : `{${number}}`;
    const reading = readTemplate(source, { hasAnswer: this.#hasAnswer, isPath: false });
    if (reading.kind === "malformed") {
      this.problem = { message: reading.problem, path: [...path] };
      return;
    }
    if (number !== undefined) {
      this.#literals.push("");
      this.#slots.push(
        ...reading.template.slots.map((slot) => ({ ...slot, isNumber: true }) as const),
      );
      return;
    }
    const [first = "", ...rest] = reading.template.literals.map(encodeJsonText);
    this.#write(`"${first}`);
    this.#literals.push(...rest);
    this.#slots.push(...reading.template.slots);
    this.#write('"');
  }

  #write(text: string): void {
    this.#literals.push((this.#literals.pop() ?? "") + text);
  }

  #fail(what: string, path: readonly PropertyKey[]): void {
    this.problem = { message: `The body has ${what}; keep it smaller.`, path: [...path] };
  }
}
