import { type DatabaseTls, NO_TLS, TLS_MODES } from "./tls.ts";

/*
 * The forms of DATABASE_URL, as libpq reads them: several servers separated by commas, IPv6
 * addresses in brackets, a Unix socket as a folder (`?host=/run/postgresql` or percent-encoded),
 * and which of the servers are acceptable (`target_session_attrs`). TLS is read here too. The
 * driver reads the rest: user, password, database and so on. Its own support for several servers is
 * not used: it never gives up on a list of servers that refuse, and a connection that is lost
 * during its check ends the process.
 */

export interface DatabaseServer {
  /** A name or an address without brackets, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

/** Required abilities of a session. Ringback writes, so a standby never suffices. */
const TARGET_SESSION_ATTRS = ["any", "read-write", "primary"] as const;
export type TargetSessionAttrs = (typeof TARGET_SESSION_ATTRS)[number];

export interface DatabaseAddress {
  /** At least one, in the order in which they are tried. */
  readonly servers: readonly DatabaseServer[];
  readonly target: TargetSessionAttrs;
  readonly tls: DatabaseTls;
  /** The URL for the driver: without servers and without what only libpq or this file reads. */
  readonly driverUrl: string;
  /**
   * `?pooler=transaction` or `?prepare=false` says that there is a pooler in transaction mode. Such
   * poolers refuse unknown start-up parameters, and one client's settings reach another, so every
   * call bounds itself in a transaction of its own. Prepared statements are independent of that:
   * PgBouncer 1.21 and newer keep them for each client, so only `prepare=false` disables them.
   */
  readonly isPooled: boolean;
}

type DatabaseUrlReading =
  | { readonly kind: "ok"; readonly address: DatabaseAddress }
  /** Never contains the text itself, which holds a password. */
  | { readonly kind: "invalid"; readonly problem: string };

/** Modes of poolers. In session mode a connection belongs to one client, as without a pooler. */
const POOLER_MODES = ["transaction", "session"];
const SERVERS_MAX = 16;
const PORT_DEFAULT = 5432;
/** Values of `target_session_attrs` that libpq knows and that lead to servers that refuse to write. */
const READING_TARGETS = ["read-only", "standby", "prefer-standby"];

/** Read here, or by libpq and other drivers only; postgres.js would forward them to the server. */
const DROPPED_PARAMETERS = [
  "host",
  "port",
  "target_session_attrs",
  "ssl",
  "sslmode",
  "sslrootcert",
  "channel_binding",
  "gssencmode",
  "pgbouncer",
  "pooler",
  "connection_limit",
  "pool_timeout",
];

/** Reads a URL without connecting to anything. */
export function readDatabaseUrl(text: string): DatabaseUrlReading {
  const match =
    /^(?<scheme>[a-z][a-z+.-]*):\/\/(?<authority>[^/?#]*)(?<rest>[^?#]*)(?<query>\?[^#]*)?/i.exec(
      text,
    );
  if (match?.groups === undefined) return invalid("is not a URL");
  const { scheme = "", authority = "", rest = "", query = "" } = match.groups;
  if (!/^postgres(ql)?$/i.test(scheme)) return invalid("is not a postgres:// URL");
  const at = authority.lastIndexOf("@") + 1;
  const parameters = new URLSearchParams(query);
  const target = readTarget(parameters.get("target_session_attrs"));
  if (target !== null && typeof target === "object") return invalid(target.problem);
  const pooler = parameters.get("pooler");
  if (pooler !== null && !POOLER_MODES.includes(pooler)) {
    return invalid(`has a pooler that is none of ${POOLER_MODES.join(", ")}`);
  }
  const servers = readServers(authority.slice(at), parameters);
  if ("problem" in servers) return invalid(servers.problem);
  const tls = readTls(parameters);
  if ("problem" in tls) return invalid(tls.problem);
  for (const name of DROPPED_PARAMETERS) parameters.delete(name);
  const search = parameters.size === 0 ? "" : `?${parameters.toString()}`;
  const driverUrl = `${scheme}://${authority.slice(0, at)}localhost${rest}${search}`;
  if (!isReadable(driverUrl)) return invalid("is not a URL");
  return {
    kind: "ok",
    address: {
      servers: servers.list,
      // A list of servers is a primary and its standbys, and only one of them takes writes.
      target: target ?? (servers.list.length > 1 ? "read-write" : "any"),
      tls,
      driverUrl,
      isPooled: pooler === "transaction" || parameters.get("prepare") === "false",
    },
  };
}

function invalid(problem: string): DatabaseUrlReading {
  return { kind: "invalid", problem };
}

/** The driver decodes user and password, which throws for a stray percent sign. */
function isReadable(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null) return false;
  try {
    decodeURIComponent(parsed.username + parsed.password);
    return true;
  } catch {
    return false;
  }
}

function readTarget(text: string | null): TargetSessionAttrs | null | { readonly problem: string } {
  if (text === null) return null;
  const target = TARGET_SESSION_ATTRS.find((known) => known === text);
  if (target !== undefined) return target;
  return READING_TARGETS.includes(text)
    ? { problem: `has target_session_attrs=${text}, but Ringback has to write` }
    : { problem: `has a target_session_attrs that is none of ${TARGET_SESSION_ATTRS.join(", ")}` };
}

/**
 * Reads the parameters as libpq does; other drivers call the mode `ssl`, or use `true` for every
 * check.
 */
function readTls(parameters: URLSearchParams): DatabaseTls | { readonly problem: string } {
  const text = parameters.get("sslmode") ?? parameters.get("ssl");
  const file = parameters.get("sslrootcert");
  const isSystem = file === "system";
  const rootCertificates = isSystem ? null : file;
  if (text === null) return file === null ? NO_TLS : { mode: "verify-full", rootCertificates };
  if (text === "true" || isSystem) return { mode: "verify-full", rootCertificates };
  const mode = text === "false" ? "disable" : TLS_MODES.find((known) => known === text);
  return mode === undefined
    ? { problem: `has an sslmode that is none of ${TLS_MODES.join(", ")}` }
    : { mode, rootCertificates };
}

type Servers = { readonly list: readonly DatabaseServer[] } | { readonly problem: string };

function readServers(authority: string, parameters: URLSearchParams): Servers {
  const hosts = parameters.get("host");
  const items = hosts === null ? authority.split(",") : withPorts(hosts, parameters.get("port"));
  if (items.length > SERVERS_MAX) return { problem: `names more than ${SERVERS_MAX} servers` };
  const list: DatabaseServer[] = [];
  for (const [index, item] of items.entries()) {
    const server = item === "" && items.length > 1 ? "no_host" : readServer(item);
    const place = items.length === 1 ? "a server" : `server ${index + 1}`;
    if (server === "no_host") return { problem: `has no host for ${place}` };
    if (server === "wrong_port") return { problem: `has a wrong port for ${place}` };
    // libpq and the driver both take a URL without a server for the local one.
    list.push(server.host === "" ? { ...server, host: "localhost" } : server);
  }
  return { list };
}

/** Applies libpq's parameters: as many ports as hosts, or one for all. */
function withPorts(hosts: string, ports: string | null): string[] {
  const list = hosts.split(",");
  const ofEach = ports?.split(",") ?? [];
  return list.map((host, index) => {
    const port = ofEach.length === 1 ? ofEach[0] : ofEach[index];
    const name =
      host.includes(":") && !host.startsWith("/") ? `[${host}]` : encodeURIComponent(host);
    return port === undefined || port === "" ? name : `${name}:${port}`;
  });
}

function readServer(item: string): DatabaseServer | "no_host" | "wrong_port" {
  const match = /^(?:\[(?<v6>[\da-f:.]+(?:%[\w.-]+)?)\]|(?<name>[^:[\]]*))(?::(?<port>.*))?$/i.exec(
    item,
  );
  if (match?.groups === undefined) return "no_host";
  const { v6, name = "", port = "" } = match.groups;
  const host = v6 ?? decode(name);
  if (host === null || (host === "" && item !== "")) return "no_host";
  if (port === "") return { host, port: PORT_DEFAULT };
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  return number >= 1 && number <= 65_535 ? { host, port: number } : "wrong_port";
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** The name of a server in messages. */
export function serverName({ host, port }: DatabaseServer): string {
  return host.includes(":") && !host.startsWith("/") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Decoded; empty without one. */
export function passwordOf(url: string): string {
  const password = /^[a-z]+:\/\/[^/@:]*:([^/?#]*)@/i.exec(url)?.[1] ?? "";
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

/**
 * The URL without password and parameters, fit for a log. Accepts any text, even an invalid URL.
 */
export function redactUrl(url: string): string {
  const [base = ""] = url.split("?");
  const match = /^(?<scheme>[a-z]+:\/\/)(?:(?<user>[^:@/]*)(?::.*)?@)?(?<rest>[^@]*)$/is.exec(base);
  if (match?.groups === undefined) return "(not a URL)";
  const { scheme, user, rest } = match.groups;
  return `${scheme}${user === undefined ? "" : `${user}:***@`}${rest}`;
}
