/** One event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface ServerSentEvent {
  readonly id: string;
  readonly data: string;
}

/** An event is longer than what is taken. */
export class EventTooLongError extends Error {
  override readonly name = "EventTooLongError";
}

/** Takes the pieces of a stream apart into its events. Comments are left out. */
export class EventParser {
  readonly #decoder = new TextDecoder();
  readonly #charactersMax: number;
  #text = "";
  #id = "";
  #data: string[] = [];

  /** @param charactersMax of one event */
  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax;
  }

  /**
   * The events that this piece completes.
   * @throws {EventTooLongError}
   */
  push(bytes: Uint8Array): ServerSentEvent[] {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const events: ServerSentEvent[] = [];
    // A carriage return at the end may be followed by a line feed that is still to come.
    const lines = this.#text.split(/\r\n|\n|\r(?!$)/);
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#take(line);
      if (event !== null) events.push(event);
    }
    const held = this.#data.reduce((sum, { length }) => sum + length, this.#text.length);
    if (held > this.#charactersMax) {
      throw new EventTooLongError(`An event has more than ${this.#charactersMax} characters.`);
    }
    return events;
  }

  #take(line: string): ServerSentEvent | null {
    if (line === "") return this.#complete();
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "data") this.#data.push(value);
    if (name === "id") this.#id = value;
    return null;
  }

  #complete(): ServerSentEvent | null {
    if (this.#data.length === 0) return null;
    const event = { id: this.#id, data: this.#data.join("\n") };
    this.#data = [];
    return event;
  }
}
