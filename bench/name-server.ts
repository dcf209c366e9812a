import { createSocket } from "node:dgram";
import { once } from "node:events";
import { serveCommands } from "./worker-process.ts";

/** A name server that knows no name, so that figures don't depend on the machine's own. */

const HEADER_BYTES = 12;
/** The empty label that ends the name, then its type and class. */
const QUESTION_REST_BYTES = 5;
/** A response, with recursion, to a name that does not exist. */
const NXDOMAIN = 0x8183;

const commands = {
  /** `address:port`, as the setting of the gateway takes it. */
  listen: async () => {
    const socket = createSocket("udp4");
    socket.on("message", (query, { port, address }) => socket.send(unknown(query), port, address));
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return `127.0.0.1:${socket.address().port}`;
  },
};
export type NameServerCommands = typeof commands;

serveCommands(commands);

/** The header and the question of the query, without further records. */
function unknown(query: Buffer): Buffer {
  let end = HEADER_BYTES;
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) end += 1 + length;
  const answer = Buffer.from(query.subarray(0, end + QUESTION_REST_BYTES));
  answer.writeUInt16BE(NXDOMAIN, 2);
  // One question, and no answers, authorities or additional records.
  answer.writeUInt16BE(1, 4);
  answer.fill(0, 6, HEADER_BYTES);
  return answer;
}
