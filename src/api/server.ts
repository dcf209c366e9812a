import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { ProblemCode } from "../core/error-codes.ts";
import { PROBLEMS } from "../core/error-codes.ts";
import { ANSWER_HEADERS } from "../runtime/security-headers.ts";
import type { Timer } from "../runtime/clock.ts";
import { StartRefusedError } from "../runtime/process/fatal-errors.ts";
import { NO_SLOT, SlotSet, type Slotted } from "../runtime/slot-set.ts";
import { ClientConnections, type ClientConnectionsOptions } from "./client-connections.ts";
import { PROBLEM_TYPE, problem, problemJson } from "./http/problem.ts";
import type { Problem } from "../core/problem.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";

/** From the first byte of a request to the last, body included. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/**
 * Longer than the minute for which load balancers keep a connection, so that they close it first.
 */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const HEADER_BYTES_MAX = 16 * 1024;
/**
 * Requests in progress on one connection. Node begins all that a client has pipelined in one turn of the event
 * loop, which may be thousands; hardly any client pipelines at all.
 */
const PIPELINED_MAX = 16;
/** A head that comes too slowly is refused so much later at most. */
const HEADERS_CHECK_MS = 5_000;
const IDLE_CHECK_MS = 25;
/** Time for a client to read the refusal and close. */
const PROXY_REFUSAL_MS = 1_000;
/**
 * A stop closes idle connections once no request has arrived for this long, so that none is on its
 * way.
 */
const QUIET_MS = 250;
/** Connections without a complete request or a response in progress are waited for less long. */
const UNFINISHED_REQUESTS_MS = 2_000;

export interface HttpServerOptions {
  /** Answers a request; Hono's `fetch`. */
  readonly fetch: (request: Request, env: object) => Response | Promise<Response>;
  /**
   * Handles, in place of `fetch`, requests whose bodies are streamed through; null for all others.
   * Such a request may take as long as it makes progress, and gets {@link ANSWER_HEADERS} from there.
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

/** The listener. Input too malformed to become a request is answered with a problem here. */
export class HttpServer implements Service {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  #address: AddressInfo | null = null;
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  #isDraining = false;
  /** Responses that are not sent yet. */
  readonly #inProgress = new SlotSet<Slotted & { readonly response: ServerResponse }>();
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
      const requests = connections.began(request.socket);
      if (requests > PIPELINED_MAX) {
        // Those behind it are not answered: the connection is closed after this one.
        if (requests === PIPELINED_MAX + 1) refusePipelining(request, response);
        return;
      }
      if (!namesOneHost(request)) {
        refuse(response, MALFORMED);
        return;
      }
      const inProgress = { response, slot: NO_SLOT };
      this.#inProgress.add(inProgress);
      // HTTP/1.0 need not name a host, and checks of load balancers don't.
      if (request.httpVersion === "1.0") request.headers.host ??= "localhost";
      const passing = passOn(request, response);
      if (passing === null) {
        for (const [name, value] of ANSWER_HEADERS) response.setHeader(name, value);
        if (expectsContinue(request)) response.writeContinue();
        // Most bodies come together with their head, and then need no timer.
        setImmediate(limitArrival, request, requestTimeoutMs);
      }
      void (passing ?? listener(request, response)).finally(() => {
        this.#inProgress.delete(inProgress);
        connections.ended(request.socket);
      });
    };
    this.#server = createServer(
      {
        // `limitArrival` enforces the limit of a whole request, with an exception.
        requestTimeout: 0,
        headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
        connectionsCheckingInterval: Math.min(HEADERS_CHECK_MS, requestTimeoutMs),
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
        // Node's own response to a missing one has no body.
        requireHostHeader: false,
      },
      answer,
    );
    this.#listenForConnections(connections, answer);
  }

  #listenForConnections(
    connections: ClientConnections<Socket>,
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): void {
    this.#server.on("connection", (socket) => {
      socket.once("close", () => connections.closed(socket));
      connections.opened(socket, socket.remoteAddress ?? "");
    });
    this.#server.on("clientError", refuseConnection);
    // An unknown expectation may be ignored; Node's own response to it has no body.
    this.#server.on("checkExpectation", answer);
    this.#server.on("checkContinue", answer);
    this.#server.on("connect", (_request, socket) => refuseProxying(socket));
    // A connection that can't be accepted, for lack of descriptors or memory, is lost to its
    // client.
    this.#server.on("error", () => undefined);
  }

  /** The listening address; only once started. */
  get address(): { readonly host: string; readonly port: number } {
    if (this.#address === null) throw new Error("the HTTP server was not started");
    return { host: this.#address.address, port: this.#address.port };
  }

  /** Rejects with a message for people when the address can't be used. */
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
   * Continues to serve, but asks each client to close its connection after the response, so that
   * few connections are left when the server stops.
   */
  beginDraining(): void {
    this.#isDraining = true;
    // Some of them have waited for long.
    for (const { response } of this.#inProgress.values()) {
      if (!response.headersSent) response.setHeader("connection", "close");
    }
  }

  /**
   * Accepts no new connections, answers the requests that arrive on existing ones, and closes them;
   * then aborts the rest.
   */
  stop(): Promise<void> {
    this.beginDraining();
    this.#stopped ??= this.#started === null ? Promise.resolve() : this.#drain();
    return this.#stopped;
  }

  #startRefused(cause: Error): StartRefusedError {
    const { host, port } = this.#options;
    const remedy = remedyOf("code" in cause ? cause.code : null);
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
      // Not the HTTP server's own `close`, which closes idle connections at once: a request may
      // just have been sent on one of them, and would be reset.
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
 * RFC 9112, 3.2: a server must refuse a request that names no host, several, or an invalid one.
 * Node uses the first of several, while a proxy in front may have used the last.
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

/** Reads nothing more; the answer is sent once those to earlier requests are. */
function refusePipelining({ socket }: IncomingMessage, response: ServerResponse): void {
  socket.pause();
  response.setHeader("retry-after", "1");
  refuse(response, TOO_MANY_PIPELINED);
}

/** Answers a request with a problem, and closes its connection. */
function refuse(response: ServerResponse, of: Problem): void {
  const body = problemJson(of, null);
  response.writeHead(PROBLEMS[of.code].status, {
    ...Object.fromEntries(ANSWER_HEADERS),
    "content-type": PROBLEM_TYPE,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

const TOO_MANY_PIPELINED = problem(
  "too_many_requests",
  `More than ${PIPELINED_MAX} requests wait on this connection; wait for answers before sending more, and send again what was not answered.`,
);

const MALFORMED = problem(
  "malformed_request",
  "The request needs exactly one valid Host header and address; correct it.",
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

/** Refuses a request whose body does not arrive in time, as the parser does with slow heads. */
function limitArrival(request: IncomingMessage, withinMs: number): void {
  if (request.complete || request.destroyed || !hasBody(request)) return;
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

/** Input that the HTTP parser refuses never becomes a request: the response is written by hand. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, problemOfParser(error.code));
}

/** Node releases the socket, so its errors and its end are handled here. */
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
      ANSWER_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join("") +
      `connection: close\r\n\r\n${body}`,
  );
}

const NO_PROXY = problem(
  "malformed_request",
  "This is not a proxy and does not support CONNECT; send the request itself.",
);

const PARSER_PROBLEMS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ["request_timeout", "Send the whole request faster."],
  HPE_HEADER_OVERFLOW: [
    "headers_too_large",
    `Send at most ${HEADER_BYTES_MAX / 1024} KiB of headers, including the URL.`,
  ],
};

function problemOfParser(code: string | undefined): Problem {
  const [problemCode, detail] = PARSER_PROBLEMS[code ?? ""] ?? [
    "malformed_request",
    "This is not HTTP/1.1; check the program that sends it.",
  ];
  return problem(problemCode, detail);
}

/** Advice for an address that can't be listened on. */
function remedyOf(code: unknown): string {
  switch (code) {
    case "EADDRINUSE":
      return "Stop the program that uses it, or choose another PORT or HOST.";
    case "EACCES":
      return "This user may not: choose a PORT from 1024 up.";
    default:
      return "Choose a HOST that is an address of this machine, such as 127.0.0.1 or 0.0.0.0.";
  }
}
