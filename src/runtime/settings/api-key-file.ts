import { chmod, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeDataDir } from "./data-dir.ts";
import { StartRefusedError } from "../process/start-refused.ts";

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
