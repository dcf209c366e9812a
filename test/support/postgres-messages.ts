/** Version of the protocol between clients and Postgres: 3.0. */
export const PROTOCOL_3 = 196_608;

/** One message: its type, and all of it. */
export interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream into messages. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0);

  /** @param isStartup without a type in front */
  take(chunk: Buffer, isStartup: () => boolean): Message[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const typeBytes = isStartup() && messages.length === 0 ? 0 : 1;
      if (this.#rest.length < typeBytes + 4) return messages;
      const end = typeBytes + this.#rest.readInt32BE(typeBytes);
      if (this.#rest.length < end) return messages;
      const bytes = this.#rest.subarray(0, end);
      messages.push({ type: typeBytes === 0 ? "" : String.fromCharCode(bytes[0] ?? 0), bytes });
      this.#rest = this.#rest.subarray(end);
      if (typeBytes === 0) return messages;
    }
  }
}

export function textAt(bytes: Buffer, start: number): string {
  return bytes.subarray(start, bytes.indexOf(0, start)).toString("latin1");
}

export function framed(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function errorMessage(code: string, message: string): Buffer {
  const fields = [`SFATAL`, `VFATAL`, `C${code}`, `M${message}`, "", ""];
  return framed("E", Buffer.from(fields.join("\0")));
}
