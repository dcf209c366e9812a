import { join } from "node:path";
import { Option, type Command } from "commander";
import { LOCAL_URL } from "../../client/client.ts";
import { Ringback } from "../../client/ringback.ts";
import { isLoopbackHost } from "../../runtime/loopback-host.ts";
import { type Cli, CliError, EXIT } from "./cli.ts";
import { profileNamed, readPrivateFile, readProfiles } from "./profiles.ts";

/** Which gateway, and with which key. */
export interface GatewayFlags {
  readonly url?: string;
  readonly apiKeyFile?: string;
  readonly profile?: string;
  readonly json?: boolean;
}

/** A gateway to talk to. */
interface GatewayAccess {
  readonly url: string;
  readonly apiKey: string;
  /** Where the key is from, for a person. */
  readonly source: string;
}

/** A person waits for it. */
const RETRIES = 2;

/** Adds `--json`, which every command has. */
export function withJson(command: Command): Command {
  return command.option("--json", "print JSON, one document a line, for programs");
}

/** Adds the options of every command that talks to a gateway. */
export function withGateway(command: Command): Command {
  return withJson(command)
    .addOption(new Option("--url <url>", "address of the gateway (RINGBACK_URL)"))
    .addOption(
      new Option("--api-key-file <file>", "file that holds the API key (or set RINGBACK_API_KEY)"),
    )
    .addOption(new Option("--profile <name>", "saved gateway and key (RINGBACK_PROFILE)"));
}

/** A client of the gateway that flags, environment or profile name. */
export async function openGateway(
  cli: Pick<Cli, "env">,
  flags: GatewayFlags,
): Promise<GatewayAccess & { readonly ringback: Ringback }> {
  const access = await findGateway(cli, flags);
  return { ...access, ringback: new Ringback({ ...access, retries: RETRIES }) };
}

/**
 * Which gateway is meant: what flags say, else the profile that is asked for, else the environment,
 * else the current profile, else a gateway of this machine that has left its key in its data folder.
 * A saved key is never sent to another address than the one that it was saved for.
 * @throws {CliError} when there is no key
 */
export async function findGateway(
  { env }: Pick<Cli, "env">,
  flags: GatewayFlags,
): Promise<GatewayAccess> {
  const found = await savedGateway(env, flags);
  const url = flags.url ?? found?.url ?? setting(env, "RINGBACK_URL") ?? LOCAL_URL;
  checkUrl(url);
  if (flags.apiKeyFile !== undefined) {
    const apiKey = (await readPrivateFile(flags.apiKeyFile))?.trim();
    if (apiKey === undefined) throw new CliError(`There is no file ${flags.apiKeyFile}.`, {});
    return { url, apiKey, source: flags.apiKeyFile };
  }
  if (found !== null && (found.anyUrl || isSameGateway(found.url, url))) {
    return { url, apiKey: found.apiKey, source: found.source };
  }
  const local = await localGateway(env, url);
  if (local !== null) return local;
  throw new CliError(`There is no API key for the gateway at ${url}.`, {
    exitCode: EXIT.unauthorized,
    hint: "Set RINGBACK_API_KEY, or save a key with: ringback login.",
  });
}

interface SavedGateway extends GatewayAccess {
  /** The key was given for whatever gateway is named, and not saved along with one. */
  readonly anyUrl: boolean;
}

async function savedGateway(env: Cli["env"], flags: GatewayFlags): Promise<SavedGateway | null> {
  const asked = flags.profile ?? setting(env, "RINGBACK_PROFILE");
  const envKey = setting(env, "RINGBACK_API_KEY");
  if (asked === undefined && envKey !== undefined) {
    const url = setting(env, "RINGBACK_URL") ?? LOCAL_URL;
    return { url, apiKey: envKey, source: "RINGBACK_API_KEY", anyUrl: true };
  }
  // Nothing to look for: another address and key are given.
  if (asked === undefined && flags.url !== undefined && flags.apiKeyFile !== undefined) return null;
  const profiles = await readProfiles(env);
  const name = asked ?? profiles.current;
  if (name === null) return null;
  const { url, api_key: apiKey } = profileNamed(profiles, name);
  const source = `profile ${name}`;
  const isOther = asked === undefined && !isSameGateway(url, setting(env, "RINGBACK_URL") ?? url);
  return isOther ? null : { url, apiKey, source, anyUrl: false };
}

/** A gateway that was started without a terminal keeps its first key in a file. */
async function localGateway(env: Cli["env"], url: string): Promise<GatewayAccess | null> {
  if (!isLoopbackHost(new URL(url).hostname.replaceAll(/^\[|\]$/g, ""))) return null;
  const file = join(setting(env, "DATA_DIR") ?? ".ringback", "api-key");
  const apiKey = (await readPrivateFile(file))?.trim();
  return apiKey === undefined || apiKey === "" ? null : { url, apiKey, source: file };
}

function setting(env: Cli["env"], name: string): string | undefined {
  const text = env[name]?.trim() ?? "";
  return text === "" ? undefined : text;
}

function isSameGateway(one: string, other: string): boolean {
  const plain = (url: string): string => (URL.canParse(url) ? new URL(url).href : url);
  return plain(one).replace(/\/+$/, "") === plain(other).replace(/\/+$/, "");
}

function checkUrl(url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  throw new CliError(`${JSON.stringify(url)} is not the address of a gateway.`, {
    hint: `Valid: an address such as ${LOCAL_URL}.`,
  });
}
