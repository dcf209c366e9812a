import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { listenOnKeptPort } from "./ports.ts";

/** A test server's response to a request. */
export type Answer =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** A string or bytes are sent as they are, anything else as JSON. */
      readonly body?: unknown;
      /** Sends the body in pieces of so many bytes, each in a chunk and a packet of its own. */
      readonly pieceBytes?: number;
    }
  /** Takes the request and never answers. */
  | "hang"
  /** Cuts the connection. */
  | "reset";

/** Responses in order, the last one repeated; or a function of the request and its number (from 1). */
export type Script<Request> =
  | Answer
  | readonly Answer[]
  | ((request: Request, number: number) => Answer | Promise<Answer>);

/** The script's answer to the request with this number. */
export async function answerOf<Request>(
  script: Script<Request>,
  request: Request,
  number: number,
): Promise<Answer> {
  if (typeof script === "function") return script(request, number);
  if (!isList(script)) return script;
  return script[Math.min(number, script.length) - 1] ?? {};
}

function isList(script: Answer | readonly Answer[]): script is readonly Answer[] {
  return Array.isArray(script);
}

/** A HTTP server on loopback that can go away and come back on the same port. */
export class ScriptedServer {
  readonly #answer: (request: IncomingMessage) => Promise<Answer>;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;

  constructor(answer: (request: IncomingMessage) => Promise<Answer>) {
    this.#answer = answer;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens, on the port of the last time if there was one. */
  async open(): Promise<void> {
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      void this.#respond(request, response);
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    if (this.#port === 0) this.#port = await listenOnKeptPort(server);
    else await once(server.listen(this.#port, "127.0.0.1"), "listening");
    this.#server = server;
  }

  /** Cuts every connection; from now on connecting is refused. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request);
    if (answer === "hang") return;
    if (answer === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    const { status = 200, headers = {}, body = "", pieceBytes = Infinity } = answer;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    const whole = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    if (pieceBytes === Infinity) {
      response.end(whole);
      return;
    }
    const bytes = Buffer.from(whole);
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      response.write(bytes.subarray(from, from + pieceBytes));
      await nextTurn();
    }
    response.end();
  }
}

/** Every header once, names in lower case. */
export function plainHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values]) => [
      name,
      (values ?? []).join(", "),
    ]),
  );
}
