import { access, constants, mkdir } from "node:fs/promises";
import { StartRefusedError } from "../process/start-refused.ts";

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
