import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { AnswerTap } from "../../../src/outbound/exchange/answer-tap.ts";

const INTERIM = [
  "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n",
  "HTTP/1.0 100 \n\n",
].join("");
const RESPONSE = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/** The bytes that undici reads of a response that arrives in these pieces, and its status. */
function readThrough(pieces: readonly string[]): { text: string; status: number | null } {
  const chunks = pieces.map((piece) => Buffer.from(piece));
  const socket = { read: () => chunks.shift() ?? null } as Pick<Socket, "read">;
  const tap = new AnswerTap();
  tap.attach(socket as Socket);
  tap.listen();
  let text = "";
  // A null while more is to come leaves the rest to the next event of the socket.
  while (chunks.length > 0) text += String(socket.read() ?? "");
  return { text, status: tap.status };
}

test("100 Continue and 103 Early Hints before a response are left out, wherever the bytes are divided", () => {
  const whole = INTERIM + RESPONSE;
  for (let first = 1; first < whole.length; first += 1) {
    for (let second = first; second < whole.length; second += 1) {
      const pieces = [whole.slice(0, first), whole.slice(first, second), whole.slice(second)];
      const { text } = readThrough(pieces.filter((piece) => piece !== ""));
      expect(text, JSON.stringify(pieces)).toBe(RESPONSE);
    }
  }
});

test("a response without a 100 Continue passes as it is, with its status", () => {
  expect(readThrough([RESPONSE])).toEqual({ text: RESPONSE, status: 200 });
  const upgrade = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  expect(readThrough([upgrade])).toEqual({ text: upgrade, status: null });
});
