import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { ProblemCode } from "../core/error-codes.ts";
import { PROBLEMS } from "../core/error-codes.ts";
import type { Timer } from "../runtime/clock.ts";
import type { Service } from "../runtime/service.ts";
import { StartRefusedError } from "../runtime/process/start-refused.ts";
import { ClientConnections, type ClientConnectionsOptions } from "./client-connections.ts";
import { PROBLEM_TYPE, problem, problemJson } from "./http/problem.ts";
import type { Problem } from "./http/problem.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** From the first byte to the last of a request, body included. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than the minute that load balancers keep a connection, so that they close it first. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const HEADER_BYTES_MAX = 16 * 1024;
/** A head that comes too slowly is refused so much later at most. */
const HEADERS_CHECK_MS = 5_000;
const IDLE_CHECK_MS = 25;
/** For a client to read the refusal and close. */
const PROXY_REFUSAL_MS = 1_000;
/** A stop closes idle connections once no request has come for so long: none is just on its way. */
const QUIET_MS = 250;
/** Connections on which no request has come whole, and none is answered, are waited for less long. */
const UNFINISHED_REQUESTS_MS = 2_000;

/** No browser may read an answer as another type than it says, nor tell where a link was followed. */
const ON_EVERY_ANSWER = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
] as const;

export interface HttpServerOptions {
  /** Answers a request; Hono's `fetch`. */
  readonly fetch: (request: Request, env: object) => Response | Promise<Response>;
  /**
   * Answers, in place of `fetch`, requests whose bodies are passed on as they come; null for all
   * others. A request like that may take as long as it moves.
   */
  readonly passOn?: (request: IncomingMessage, response: ServerResponse) => Promise<void> | null;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** How long `stop` waits for requests in flight. */
  readonly stopTimeoutMs: number;
  readonly requestTimeoutMs?: number;
  readonly connections: ClientConnectionsOptions;
}

/** The listener. What is too malformed to become a request is answered with a problem here. */
export class HttpServer implements Service {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  #address: AddressInfo | null = null;
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  #isDraining = false;
  /** Answers that are not sent yet. */
  readonly #inProgress = new Set<ServerResponse>();
  #lastRequestAt = -Infinity;

  constructor(runtime: Pick<Runtime, "clock">, options: HttpServerOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { requestTimeoutMs = REQUEST_TIMEOUT_MS, passOn = () => null } = options;
    const listener = getRequestListener(options.fetch, { errorHandler: answerMalformed });
    const connections = new ClientConnections<Socket>(options.connections);
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      if (this.#isDraining) {
        response.setHeader("connection", "close");
        this.#lastRequestAt = runtime.clock.monotonic();
      }
      if (!namesOneHost(request)) {
        refuseHost(response);
        return;
      }
      this.#inProgress.add(response);
      for (const [name, value] of ON_EVERY_ANSWER) response.setHeader(name, value);
      // HTTP/1.0 need not name a host, and checks of load balancers don't.
      if (request.httpVersion === "1.0") request.headers.host ??= "localhost";
      connections.began(request.socket);
      const passing = passOn(request, response);
      if (passing === null) {
        if (expectsContinue(request)) response.writeContinue();
        limitArrival(request, requestTimeoutMs);
      }
      void (passing ?? listener(request, response)).finally(() => {
        this.#inProgress.delete(response);
        connections.ended(request.socket);
      });
    };
    this.#server = createServer(
      {
        // Of a whole request it is kept by `limitArrival`, which makes an exception.
        requestTimeout: 0,
        headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
        connectionsCheckingInterval: Math.min(HEADERS_CHECK_MS, requestTimeoutMs),
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
        // Node's own answer to a missing one has no body.
        requireHostHeader: false,
      },
      answer,
    );
    this.#server.on("connection", (socket) => {
      socket.once("close", () => connections.closed(socket));
      connections.opened(socket, socket.remoteAddress ?? "");
    });
    this.#server.on("clientError", refuseConnection);
    // An expectation that nobody knows may be ignored; Node's own answer to it has no body.
    this.#server.on("checkExpectation", answer);
    this.#server.on("checkContinue", answer);
    this.#server.on("connect", (_request, socket) => refuseProxying(socket));
    // A connection that can't be accepted, for want of descriptors or memory, is its client's loss.
    this.#server.on("error", () => undefined);
  }

  /** Where it listens; only once started. */
  get address(): { readonly host: string; readonly port: number } {
    if (this.#address === null) throw new Error("the HTTP server was not started");
    return { host: this.#address.address, port: this.#address.port };
  }

  /** Rejects with a message for people when the address can't be listened on. */
  start(): Promise<void> {
    this.#started ??= new Promise((resolve, reject) => {
      const refuse = (cause: Error): void => reject(this.#startRefused(cause));
      this.#server.once("error", refuse);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off("error", refuse);
        this.#address = this.#server.address() as AddressInfo;
        resolve();
      });
    });
    return this.#started;
  }

  /**
   * Goes on serving, but asks each client to close its connection after the answer, so that few
   * connections are left when the server stops.
   */
  beginDraining(): void {
    this.#isDraining = true;
    // Some of them have waited for long.
    for (const response of this.#inProgress) {
      if (!response.headersSent) response.setHeader("connection", "close");
    }
  }

  /**
   * Takes no new connections, answers the requests that come on those there are, and closes them;
   * then cuts off what is left.
   */
  stop(): Promise<void> {
    this.beginDraining();
    this.#stopped ??= this.#started === null ? Promise.resolve() : this.#drain();
    return this.#stopped;
  }

  #startRefused(cause: Error): StartRefusedError {
    const { host, port } = this.#options;
    const remedy = "Stop what uses it, or choose another PORT or HOST.";
    return new StartRefusedError(`can't listen on ${host}:${port} (${cause.message}). ${remedy}`, {
      cause,
    });
  }

  #drain(): Promise<void> {
    const { clock } = this.#runtime;
    const { stopTimeoutMs } = this.#options;
    const startedAt = clock.monotonic();
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      // Not the HTTP server's own `close`, which cuts idle connections at once: a request may just
      // have been sent on one of them, and would be reset.
      NetServer.prototype.close.call(this.#server, () => {
        timer?.cancel();
        resolve();
      });
      const check = (): void => {
        const nowMs = clock.monotonic();
        const elapsedMs = nowMs - startedAt;
        const isOver =
          elapsedMs >= stopTimeoutMs ||
          (elapsedMs >= UNFINISHED_REQUESTS_MS && this.#inProgress.size === 0);
        if (isOver) this.#server.closeAllConnections();
        else if (nowMs - Math.max(this.#lastRequestAt, startedAt) >= QUIET_MS) {
          this.#server.closeIdleConnections();
        }
        timer = clock.setTimer(IDLE_CHECK_MS, check);
      };
      timer = clock.setTimer(IDLE_CHECK_MS, check);
    });
  }
}

/**
 * RFC 9112, 3.2: a server has to refuse a request that names no host, several, or none that can be
 * one. Node takes the first of several, while a proxy in front may have gone by the last.
 */
function namesOneHost({ rawHeaders, headers, httpVersion }: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === "host") hosts += 1;
  }
  if (hosts === 0) return httpVersion === "1.0";
  return hosts === 1 && isHost(headers.host ?? "");
}

/** A registered name or an address, with a port or without (RFC 3986, 3.2.2). */
function isHost(text: string): boolean {
  const [, port = ""] = HOST.exec(text) ?? [null, "none"];
  return port !== "none" && Number(port) <= 65_535;
}

const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+;=-]+)(?::(\d{0,5}))?$/i;

function refuseHost(response: ServerResponse): void {
  const body = problemJson(MALFORMED, null);
  response.writeHead(PROBLEMS[MALFORMED.code].status, {
    ...Object.fromEntries(ON_EVERY_ANSWER),
    "content-type": PROBLEM_TYPE,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

const MALFORMED = problem(
  "malformed_request",
  "The request's address or Host header is not valid, or there is not just one; correct it.",
);

function answerMalformed(): Response {
  const of = MALFORMED;
  return new Response(problemJson(of, null), {
    status: PROBLEMS[of.code].status,
    headers: { "content-type": PROBLEM_TYPE },
  });
}

function expectsContinue({ headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === "100-continue";
}

/** Refuses a request whose body is not there in time, as the parser does with slow heads. */
function limitArrival(request: IncomingMessage, withinMs: number): void {
  if (request.complete || !hasBody(request)) return;
  const { socket } = request;
  const timer = setTimeout(() => {
    if (!request.complete) endWith(socket, problemOfParser("ERR_HTTP_REQUEST_TIMEOUT"));
  }, withinMs);
  request.once("close", () => clearTimeout(timer));
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/** What the HTTP parser refuses never becomes a request: the answer is written by hand. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, problemOfParser(error.code));
}

/** Node lets go of the socket: errors and its end are ours to see to. */
function refuseProxying(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), PROXY_REFUSAL_MS);
  socket.on("error", () => socket.destroy()).once("close", () => clearTimeout(timer));
  endWith(socket, NO_PROXY);
  socket.resume();
}

function endWith(socket: Duplex, of: Problem): void {
  const body = problemJson(of, null);
  socket.end(
    `HTTP/1.1 ${PROBLEMS[of.code].status} ${PROBLEMS[of.code].title}\r\n` +
      `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      ON_EVERY_ANSWER.map(([name, value]) => `${name}: ${value}\r\n`).join("") +
      `connection: close\r\n\r\n${body}`,
  );
}

const NO_PROXY = problem(
  "malformed_request",
  "This is no proxy: CONNECT is not known here; send the request itself.",
);

const PARSER_PROBLEMS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ["request_timeout", "Send the whole request faster."],
  HPE_HEADER_OVERFLOW: [
    "headers_too_large",
    `Send at most ${HEADER_BYTES_MAX / 1024} KiB of headers, the address included.`,
  ],
};

function problemOfParser(code: string | undefined): Problem {
  const [problemCode, detail] = PARSER_PROBLEMS[code ?? ""] ?? [
    "malformed_request",
    "This is not HTTP/1.1; check what sends it.",
  ];
  return problem(problemCode, detail);
}
