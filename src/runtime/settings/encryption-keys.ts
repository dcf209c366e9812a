import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDataDir, whyRefused } from "./data-dir.ts";
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
  if (!existsSync(path)) await createEncryptionKey(path);
  return readEncryptionKey(path);
}

/** The file appears whole, or not at all on a full disk; of two processes that start together, one makes it. */
async function createEncryptionKey(path: string): Promise<void> {
  const fresh = randomBytes(KEY_BYTES).toString("base64");
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(draft, `${fresh}\n`, { mode: 0o600, flush: true });
    await link(draft, path);
  } catch (cause) {
    if (existsSync(path)) return;
    throw new StartRefusedError(
      `the encryption key can't be kept in ${path} (${whyRefused(cause)}). Mend that, ` +
        "choose another DATA_DIR, or start with a key of your own in RINGBACK_ENCRYPTION_KEYS.",
      { cause },
    );
  } finally {
    await rm(draft, { force: true });
  }
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
