import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isProcessAlive } from "../../src/embedded-postgres/postmaster.ts";

const MEMORY = "/dev/shm";
/** `TMPFS_MAGIC` of Linux's `statfs(2)`. */
const TMPFS = 0x01_02_19_94;
const GIB = 2 ** 30;
/** All that a run keeps in temporary files at once, with room to spare. */
const FILES_BYTES = 4 * GIB;
const PREFIX = "ringback-test-run-";

/**
 * Where there is plenty of memory, the run's temporary files are kept in it. A run makes and removes
 * hundreds of databases of hundreds of files each, and disks can take milliseconds for each file.
 */
export function setup(): (() => void) | undefined {
  const folder = memoryFolder();
  if (folder === null) return undefined;
  process.env["TMPDIR"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

function memoryFolder(): string | null {
  // A folder that was chosen is used.
  if (process.env["TMPDIR"] !== undefined || !hasRoom()) return null;
  const folder = mkdtempSync(join(MEMORY, `${PREFIX}${process.pid}-`));
  // Like the usual one: other users' processes have files in it, and run programs.
  chmodSync(folder, 0o1777);
  if (runsPrograms(folder)) return folder;
  rmSync(folder, { recursive: true });
  return null;
}

function hasRoom(): boolean {
  try {
    const { type, bavail, bsize } = statfsSync(MEMORY);
    const isRoomy = bavail * bsize >= FILES_BYTES && process.availableMemory() >= 2 * FILES_BYTES;
    return type === TMPFS && isRoomy;
  } catch {
    return false;
  }
}

function runsPrograms(folder: string): boolean {
  const program = join(folder, "program");
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  unlinkSync(program);
  return status === 0;
}

/** Folders of runs that were killed. */
export function abandonedFolders(): string[] {
  try {
    const names = readdirSync(MEMORY).filter((name) => {
      const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-")[0]) : NaN;
      return pid > 0 && !isProcessAlive(pid);
    });
    return names.map((name) => join(MEMORY, name));
  } catch {
    return [];
  }
}
