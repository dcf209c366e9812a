import { existsSync } from "node:fs";
import { access, chmod, constants, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { StartRefusedError } from "../process/fatal-errors.ts";

const MODE = 0o711;

/**
 * Creates the data directory unless it exists. Others may enter it, so that the user that runs
 * Postgres for root can reach its own part. Throws a message for people when it can't be used.
 */
export async function makeDataDir(path: string): Promise<void> {
  const directory = resolve(path);
  try {
    await makeDirectory(directory);
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new StartRefusedError(
      `DATA_DIR ${directory} can't be used (${whyRefused(cause)}); ` +
        "valid: a folder that this user may write to, on a disk with free space.",
      { cause },
    );
  }
}

/**
 * One directory at a time: given a whole path, Node reports a parent that is read-only as one that
 * is missing, and never returns where a parent can hold no directory.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: MODE });
  } catch (error) {
    if (await isDirectory(path)) return;
    if (errorCode(error) !== "ENOENT" || (await isDirectory(dirname(path)))) throw error;
    await makeDirectory(dirname(path));
    await makeDirectory(path);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}

/** Why the file system refuses, in words. */
export function whyRefused(error: unknown): string {
  switch (errorCode(error)) {
    case "EROFS":
      return "its file system is read-only";
    case "EACCES":
    case "EPERM":
      return `the user that runs Ringback (uid ${process.getuid?.() ?? "unknown"}) may not write there`;
    case "ENOSPC":
      return "its disk is full";
    case "EDQUOT":
      return "its user's disk quota is used up";
    case "EEXIST":
    case "ENOTDIR":
      return "it, or a part of its path, is not a folder";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
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
    throw new StartRefusedError(
      `the generated API key can't be kept in ${path} (${whyRefused(cause)}). ` +
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
