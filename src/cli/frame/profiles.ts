import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Cli, CliError } from "./cli.ts";

/** A gateway and the key to it, under a name. */
export interface Profile {
  readonly url: string;
  readonly api_key: string;
}

interface Profiles {
  /** The one that is used unless another is asked for; null without any. */
  readonly current: string | null;
  readonly profiles: Readonly<Record<string, Profile>>;
}

const PROFILE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;
const OTHERS = 0o077;
const NO_PROFILES: Profiles = { current: null, profiles: {} };

/**
 * Where the profiles are kept, for this user alone. Null when the user has no home, as in a container that runs
 * as a uid without an entry in /etc/passwd.
 */
function profilesFile(env: Cli["env"], home: () => string): string | null {
  const configured = env["XDG_CONFIG_HOME"] ?? "";
  if (configured !== "") return join(configured, "ringback", "profiles.json");
  try {
    return join(home(), ".config", "ringback", "profiles.json");
  } catch {
    return null;
  }
}

/** @throws {CliError} when others can read the file, or it is not what `login` writes */
export async function readProfiles(env: Cli["env"], home = homedir): Promise<Profiles> {
  const file = profilesFile(env, home);
  if (file === null) return NO_PROFILES;
  const text = await readPrivateFile(file);
  if (text === null) return NO_PROFILES;
  const json = parsed(text);
  if (!isProfiles(json)) {
    throw new CliError(`${file} is not a file of profiles.`, {
      hint: "Remove it, and save the profile again: ringback login.",
    });
  }
  return json;
}

/**
 * Replaces the file as a whole, so that a reader never sees half of it.
 *
 * @throws {CliError} when there is no folder for it
 */
export async function writeProfiles(
  env: Cli["env"],
  profiles: Profiles,
  home = homedir,
): Promise<string> {
  const file = profilesFile(env, home);
  if (file === null) {
    throw new CliError("This user has no home folder to keep profiles in.", {
      hint: "Set HOME or XDG_CONFIG_HOME to a folder, or set RINGBACK_URL and RINGBACK_API_KEY instead.",
    });
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
  // A file that was there before keeps its mode otherwise.
  await chmod(temporary, 0o600);
  await rename(temporary, file);
  return file;
}

/** @throws {CliError} when there is no such profile */
export function profileNamed({ profiles }: Profiles, name: string): Profile {
  const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(profiles);
  const known = names.length === 0 ? "There are none yet" : `There are: ${names.join(", ")}`;
  throw new CliError(`There is no profile ${JSON.stringify(name)}.`, {
    hint: `${known}. Save one: ringback login --profile ${PROFILE_NAME.test(name) ? name : "<name>"}.`,
  });
}

/** @throws {CliError} when a profile can't have this name */
export function checkProfileName(name: string): string {
  if (PROFILE_NAME.test(name)) return name;
  throw new CliError(`A profile can't be called ${JSON.stringify(name)}.`, {
    hint: "A name has 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit.",
  });
}

/**
 * The text of a file that holds a secret; null when there is none.
 * @throws {CliError} when others than this user can read it
 */
export async function readPrivateFile(file: string): Promise<string | null> {
  try {
    const { mode } = await stat(file);
    // Windows has no such mode: a user's folder is private there.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw new CliError(
        `Others can read ${file} (mode ${(mode & 0o777).toString(8)}), which holds an API key.`,
        { hint: `Take that right from them: chmod 600 '${file}'.` },
      );
    }
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new CliError(`${file} can't be read (${code}).`, {});
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isProfiles(json: unknown): json is Profiles {
  if (typeof json !== "object" || json === null) return false;
  const { current, profiles } = json as Partial<Record<keyof Profiles, unknown>>;
  if (current !== null && typeof current !== "string") return false;
  return (
    typeof profiles === "object" && profiles !== null && Object.values(profiles).every(isProfile)
  );
}

function isProfile(json: unknown): json is Profile {
  if (typeof json !== "object" || json === null) return false;
  const { url, api_key: key } = json as Partial<Record<keyof Profile, unknown>>;
  return typeof url === "string" && typeof key === "string";
}
