import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { RelayedRequest } from "../outbound/exchange/relayed-exchange.ts";
import { type ReplacedHeaders, requestHeaders, requestTrailers } from "./forwarded-headers.ts";
import { withoutParameters } from "./key.ts";
import { CALLBACK_PARAMETER } from "./options.ts";
import type { Passage, ViaSettings } from "./services.ts";
import type { Signer } from "../providers/request/sign-aws.ts";
import type { TakenBody } from "./taken-body.ts";

/** The pattern that the path fits, never the path itself, which may hold anything. */
export function pathTemplate({ known, address }: Passage, method: string): string | null {
  const { submissions } = known.provider;
  if (submissions === "recognize") return null;
  const fits = submissions.find(
    (one) => one.methods.has(method) && one.matchPath(address.path) !== null,
  );
  return fits?.pattern ?? null;
}

export function outgoingRequest(
  passage: Passage,
  request: IncomingMessage,
  { body, bytesTaken }: TakenBody,
  settings: ViaSettings,
): RelayedRequest {
  const { access, presented, known } = passage;
  const { target, projectId, isTrusted } = access;
  const { auth } = known.provider.definition;
  const isOwn = presented.kind === "beside";
  const carrier = presented.kind === "query" ? "" : presented.name;
  const replaced = { auth: isOwn ? null : auth, carrier, key: presented.key };
  const headers = requestHeaders(request.rawHeaders, replaced);
  const trailers = trailersAfter(body, request, replaced);
  const announced = request.headers.trailer;
  if (trailers !== null && announced !== undefined) headers.push("trailer", announced);
  if (!isOwn) {
    for (const [name, value] of Object.entries(target.credential.headers))
      headers.push(name, value);
  }
  const { socket } = request;
  return {
    projectId,
    isTrusted,
    method: request.method ?? "GET",
    origin: target.origin,
    path: outgoingPath(passage),
    headers: bytesTaken === 0 ? headers : headersOfShorter(headers, bytesTaken),
    body,
    trailers,
    connectTimeoutMs: settings.connectTimeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
    progress: () => socket.bytesRead + socket.bytesWritten,
  };
}

/** Null where none can follow: after a body that is not in chunks. */
function trailersAfter(
  body: TakenBody["body"],
  request: IncomingMessage,
  replaced: ReplacedHeaders,
): RelayedRequest["trailers"] {
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  if (!isChunked || !(body instanceof Readable)) return null;
  return () => requestTrailers(request.rawTrailers, replaced);
}

/** Sums over the whole body, which is another now. */
const SUMS: ReadonlySet<string> = new Set([
  "content-md5",
  "content-digest",
  "repr-digest",
  "digest",
]);

function headersOfShorter(headers: readonly string[], bytesTaken: number): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const value = headers[index + 1] ?? "";
    const lower = name.toLowerCase();
    if (SUMS.has(lower)) continue;
    kept.push(name, lower === "content-length" ? String(Number(value) - bytesTaken) : value);
  }
  return kept;
}

/** Path and query as they go upstream. */
export function outgoingPath({ access: { target }, presented, known, address }: Passage): string {
  const { auth } = known.provider.definition;
  const isOwn = presented.kind === "beside";
  const path = target.prefix + address.path;
  const credential = isOwn ? "" : target.credential.query;
  if (address.query === null) return pathOf(path, null, credential);
  const dropped = new Set([CALLBACK_PARAMETER]);
  if (!isOwn && auth.kind === "query") dropped.add(auth.name);
  if (presented.kind === "query") dropped.add(presented.name);
  return pathOf(path, withoutParameters(address.query, dropped), credential);
}

function pathOf(path: string, query: string | null, credential: string): string {
  const all = [query ?? "", credential].filter((part) => part !== "").join("&");
  const isMarked = query !== null || credential !== "";
  return `${path === "" ? "/" : path}${isMarked ? "?" : ""}${all}`;
}

/** Where a request goes, without its query. */
export function upstreamUrl({ access: { target } }: Passage, path: string): string {
  return target.origin + target.prefix + path;
}

/** The same request signed again, after the client's own signature was removed. */
export function signedRequest(
  request: RelayedRequest,
  body: Buffer,
  sign: Signer,
  nowMs: number,
): RelayedRequest {
  const headers: Record<string, string> = {};
  for (let index = 0; index < request.headers.length; index += 2) {
    headers[(request.headers[index] ?? "").toLowerCase()] = request.headers[index + 1] ?? "";
  }
  const { origin, path } = request;
  // Bytes that are not UTF-8 would be signed as other bytes, and the upstream would refuse them.
  const text = body.length === 0 ? null : body.toString("utf8");
  // The method is passed through as it is; the type only knows those of definitions.
  const method = request.method as "POST";
  const signed = sign({ kind: "request", method, origin, path, headers, body: text }, nowMs);
  return {
    ...request,
    path: signed.path,
    headers: Object.entries(signed.headers).flat(),
    body: body.length === 0 ? null : body,
    trailers: null,
  };
}
