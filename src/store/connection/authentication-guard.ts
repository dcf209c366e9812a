import { DatabaseProtocolError } from "../db/errors.ts";

/*
 * postgres.js answers requests for authentication in functions that nothing awaits. A malformed
 * request, or one for a method that the driver lacks, would end the process, and one with a billion
 * iterations would block it. So requests are checked before the driver sees them.
 */

const AUTHENTICATION = 0x52;
const MESSAGE_BYTES_MAX = 64 * 1024;
/** Postgres's own default is 4096. Each million takes about a second, in which nothing else is done. */
const ITERATIONS_MAX = 1_000_000;
const BASE64 = /^[A-Za-z\d+/]+={0,2}$/;

/** Reads what a server sends until it says that the client is authenticated. */
export class AuthenticationGuard {
  #pending: Buffer = Buffer.alloc(0);
  #isOver = false;

  /** True once the client is authenticated; nothing more is checked then. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws DatabaseProtocolError when the driver must not see this */
  read(chunk: Buffer): void {
    let rest = Buffer.concat([this.#pending, chunk]);
    while (!this.#isOver && rest.length >= 5) {
      const length = rest.readUInt32BE(1) + 1;
      if (length < 5 || length > MESSAGE_BYTES_MAX) throw malformed("a message's length is wrong");
      if (rest.length < length) break;
      if (rest[0] === AUTHENTICATION) this.#readRequest(rest.subarray(5, length));
      rest = rest.subarray(length);
    }
    this.#pending = this.#isOver ? Buffer.alloc(0) : Buffer.from(rest);
  }

  #readRequest(body: Buffer): void {
    if (body.length < 4) throw malformed("the request for authentication is too short");
    const kind = body.readUInt32BE(0);
    switch (kind) {
      case 0:
        this.#isOver = true;
        return;
      case 3:
      case 12:
        return;
      case 5:
        if (body.length < 8) throw malformed("the salt of the MD5 password is missing");
        return;
      case 10:
        if (body.toString("latin1", 4).split("\0").includes("SCRAM-SHA-256")) return;
        throw unsupported("a SASL mechanism other than SCRAM-SHA-256");
      case 11:
        checkChallenge(body.toString("latin1", 4));
        return;
      default:
        throw unsupported(`the method ${kind} (GSSAPI, SSPI or another)`);
    }
  }
}

/** The first message of a SCRAM server: `r=<nonce>,s=<salt>,i=<iterations>`. */
function checkChallenge(text: string): void {
  const fields = new Map(text.split(",").map((field) => [field.slice(0, 2), field.slice(2)]));
  const iterations = fields.get("i=") ?? "";
  if (!fields.get("r=")) throw malformed("the SCRAM challenge has no nonce");
  if (!BASE64.test(fields.get("s=") ?? "")) throw malformed("the SCRAM challenge has no salt");
  if (!/^[1-9]\d{0,9}$/.test(iterations) || Number(iterations) > ITERATIONS_MAX) {
    throw malformed(`the SCRAM challenge wants other than 1 to ${ITERATIONS_MAX} iterations`);
  }
}

function malformed(what: string): DatabaseProtocolError {
  return new DatabaseProtocolError(
    `the server's authentication can't be understood: ${what}; is it a Postgres?`,
  );
}

function unsupported(what: string): DatabaseProtocolError {
  return new DatabaseProtocolError(
    `the server asks for ${what}, which Ringback does not know; let pg_hba.conf ask for scram-sha-256`,
  );
}
