import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDataDir } from "./data-dir.ts";
import { StartRefusedError } from "../process/fatal-errors.ts";

const FILE_NAME = "encryption.key";
const KEY_BYTES = 32;

interface KeySettings {
  readonly encryptionKeys: readonly Buffer[] | null;
  readonly dataDir: string;
}

/** The ring of keys: those of the settings, or else the one key of the data directory. */
export async function encryptionKeys(settings: KeySettings): Promise<readonly Buffer[]> {
  return settings.encryptionKeys ?? [await readOrCreateEncryptionKey(settings.dataDir)];
}

/** The same without creating anything: null when the data directory holds no key. */
export async function storedEncryptionKeys(
  settings: KeySettings,
): Promise<readonly Buffer[] | null> {
  if (settings.encryptionKeys !== null) return settings.encryptionKeys;
  const path = join(settings.dataDir, FILE_NAME);
  return existsSync(path) ? [await readEncryptionKey(path)] : null;
}

/**
 * The key in the data directory, created at the first start. Losing the file loses the stored
 * secrets; it belongs in the same backup as the database.
 */
async function readOrCreateEncryptionKey(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, FILE_NAME);
  await makeDataDir(dataDir);
  const fresh = randomBytes(KEY_BYTES).toString("base64");
  try {
    // Fails when the file exists, so of two processes that start together one makes the key.
    await writeFile(path, `${fresh}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
  }
  return readEncryptionKey(path);
}

async function readEncryptionKey(path: string): Promise<Buffer> {
  const key = Buffer.from((await readFile(path, "utf8")).trim(), "base64");
  if (key.length !== KEY_BYTES) {
    throw new StartRefusedError(
      `${path} does not hold the base64 of ${KEY_BYTES} bytes; restore it from a backup.`,
    );
  }
  return key;
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
