import { existsSync } from "node:fs";
import { access, chmod, constants, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartRefusedError } from "../process/fatal-errors.ts";

/**
 * Creates the data directory unless it exists. Others may enter it, so that the user that runs
 * Postgres for root can reach its own part. Throws a message for people when it can't be used.
 */
export async function makeDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o711 });
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartRefusedError(
      `DATA_DIR ${path} can't be used (${reason}); valid: a folder that this user may write to.`,
      { cause },
    );
  }
}

const FILE_NAME = "api-key";

/**
 * Stores the generated API key in a file that only this user can read, and returns its path. A log
 * is the wrong place: others copy and keep it.
 */
export async function writeApiKeyFile(dataDir: string, key: string): Promise<string> {
  const path = resolve(join(dataDir, FILE_NAME));
  try {
    await makeDataDir(dataDir);
    await writeFile(path, "", { mode: 0o600 });
    // An existing file would otherwise keep its mode.
    await chmod(path, 0o600);
    await writeFile(path, `${key}\n`, { flush: true });
    return path;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartRefusedError(
      `the generated API key can't be kept in ${path} (${reason}). ` +
        "Start with a key of your own in RINGBACK_API_KEY.",
      { cause },
    );
  }
}

/** The file that an earlier start wrote the first API key to; null without one. */
export function findApiKeyFile(dataDir: string): string | null {
  const path = resolve(join(dataDir, FILE_NAME));
  return existsSync(path) ? path : null;
}
