import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** All of it. */
  readonly text: string;
}

/**
 * Sends a request as it is written here, in Latin-1, which clients of HTTP would refuse or mend, on a
 * connection of its own.
 */
export async function exchange(
  url: string,
  request: { readonly line: string; readonly headers: readonly string[]; readonly body?: string },
): Promise<RawAnswer> {
  const { host, port } = new URL(url);
  const { line, headers, body = "" } = request;
  const isNamed = headers.some((header) => /^host:/i.test(header));
  const lines = [
    line,
    ...(isNamed ? [] : [`host: ${host}`]),
    ...headers,
    "connection: close",
    ...(body === "" ? [] : [`content-length: ${body.length}`]),
  ];
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
  const answer = await text(socket);
  const headEnd = answer.indexOf("\r\n\r\n");
  const [statusLine = "", ...fields] = answer.slice(0, headEnd).split("\r\n");
  return {
    status: Number(statusLine.split(" ")[1]),
    headers: Object.fromEntries(
      fields.map((field) => {
        const at = field.indexOf(":");
        return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
      }),
    ),
    body: answer.slice(headEnd + 4),
    text: answer,
  };
}
