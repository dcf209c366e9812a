import { chmod, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeDataDir } from "./data-dir.ts";
import { StartRefusedError } from "../process/start-refused.ts";

const FILE_NAME = "api-key";

/**
 * Keeps the generated API key for a person to read, in a file that only this user can read, and
 * returns its path. A log is the wrong place: it is copied and kept by others.
 */
export async function writeApiKeyFile(dataDir: string, key: string): Promise<string> {
  const path = resolve(join(dataDir, FILE_NAME));
  try {
    await makeDataDir(dataDir);
    await writeFile(path, "", { mode: 0o600 });
    // A file that was there before keeps its mode otherwise.
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
