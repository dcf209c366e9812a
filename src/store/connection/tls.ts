import { readFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { ConnectionError, DatabaseProtocolError } from "../db/errors.ts";

/** libpq's `sslmode`; the driver's `true` means `verify-full`. */
export const TLS_MODES = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;
type TlsMode = (typeof TLS_MODES)[number];

export interface DatabaseTls {
  readonly mode: TlsMode;
  /** A PEM file of certificate authorities; null for those that Node trusts. */
  readonly rootCertificates: string | null;
}

export const NO_TLS: DatabaseTls = { mode: "disable", rootCertificates: null };

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const ACCEPTED = 0x53;

/**
 * The same connection under TLS, or unchanged where the mode leaves that to the server and it has
 * no TLS. Made here rather than by the driver, so that incoming data can be checked and the
 * authorities of a private network can be named.
 */
export async function secured(socket: Socket, tls: DatabaseTls, host: string): Promise<Socket> {
  if (tls.mode === "disable" || host.startsWith("/")) return socket;
  if (await acceptsTls(socket)) return handshake(socket, await optionsOf(tls, host));
  if (tls.mode === "allow" || tls.mode === "prefer") return socket;
  throw new DatabaseProtocolError(`the server has no TLS, which sslmode=${tls.mode} asks for`);
}

async function acceptsTls(socket: Socket): Promise<boolean> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once("data", (data) => resolve(Buffer.from(data)));
    socket.once("error", reject);
    socket.once("close", () => reject(closedEarly()));
    socket.write(SSL_REQUEST);
  });
  // Anything beyond the one byte would be treated as the server's, though it arrived before the
  // handshake.
  if (answer.length !== 1) throw new DatabaseProtocolError("the server's answer to TLS is odd");
  return answer[0] === ACCEPTED;
}

async function optionsOf(tls: DatabaseTls, host: string): Promise<ConnectionOptions> {
  const verifies = tls.mode === "verify-ca" || tls.mode === "verify-full" || tls.rootCertificates;
  const ca = tls.rootCertificates === null ? undefined : await readFile(tls.rootCertificates);
  return {
    ...(isIP(host) === 0 && { servername: host }),
    host,
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: Boolean(verifies),
    // Only verify-full requires the certificate to name the server.
    ...(tls.mode !== "verify-full" && { checkServerIdentity: () => undefined }),
  };
}

function handshake(socket: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({ ...options, socket }, () => resolve(secure));
    secure.on("error", reject);
    secure.once("close", () => reject(closedEarly()));
  });
}

function closedEarly(): ConnectionError {
  return new ConnectionError("CONNECTION_CLOSED", "the server closed the connection before TLS");
}
