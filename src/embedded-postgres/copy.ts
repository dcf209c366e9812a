import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join, relative } from "node:path";
import { libraryLinks, readVersion } from "./binaries.ts";
import type { PostgresPackage } from "./binaries.ts";
import { isProcessAlive } from "./postmaster.ts";

/*
 * A copy of Postgres's programs, for when those in node_modules can't be used where they are: root
 * runs Postgres as another user, who can't enter root's directories. The copy consists of hard
 * links where the file system and the files' modes allow it, so it usually takes no space. All
 * starts from one installation share one copy:
 *
 *   <base>/postgres-<version>-<hash of the package's folder>/
 *     source     the package's folder; the copy is removed once that is gone or has another version
 *     native/    bin, lib, share
 */

const COPY_NAME = /^postgres-(.+)-[0-9a-f]{12}$/;
const DRAFT_NAME = /^postgres-.+\.(\d+)-[0-9a-f]{8}$/;
const SOURCE_FILE = "source";
const REPLACE_TRIES_MAX = 10;

/**
 * Returns the folder of a copy below `base` that equals the package's `native`, making or replacing
 * it when it does not. Throws the file system's errors, and when others than this user could change
 * what is in `base`.
 */
export function ensureCopy(installed: PostgresPackage, base: string): string {
  makeBase(base);
  const hash = createHash("sha256").update(installed.directory).digest("hex").slice(0, 12);
  const copy = join(base, `postgres-${installed.version}-${hash}`);
  removeStaleCopies(base, copy);
  if (!isCopyOf(installed.directory, copy)) makeCopy(installed.directory, copy);
  return join(copy, "native");
}

/** Copies the package's `native`, with the links among its libraries, to a folder that is not there yet. */
export function copyNative(packageDirectory: string, native: string): void {
  copyTree(join(packageDirectory, "native"), native);
  for (const { source, target } of libraryLinks(packageDirectory)) {
    const path = join(native, relative("native", target));
    if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path);
  }
}

/** The files in `base` are run as they are, so only this user may be able to write there. */
function makeBase(base: string): void {
  mkdirSync(base, { recursive: true });
  const found = lstatSync(base);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${base} is not a directory of this user`);
  }
  // Whatever the umask is, the user that Postgres runs as has to enter.
  chmodSync(base, 0o755);
}

/** The copy appears whole: a kill at any moment leaves the old one, none, or the whole new one. */
function makeCopy(source: string, copy: string): void {
  const draft = asideOf(copy);
  try {
    mkdirSync(draft);
    chmodSync(draft, 0o755);
    copyNative(source, join(draft, "native"));
    writeFileSync(join(draft, SOURCE_FILE), source);
    putInPlace(source, draft, copy);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Another process that starts now may do the same: whichever copy is whole stays. */
function putInPlace(source: string, draft: string, copy: string): void {
  for (let tries = 1; !isCopyOf(source, copy); tries += 1) {
    try {
      renameSync(draft, copy);
      return;
    } catch (error) {
      if (tries === REPLACE_TRIES_MAX) throw error;
      removeDamaged(source, copy);
    }
  }
}

function removeDamaged(source: string, copy: string): void {
  if (isCopyOf(source, copy)) return;
  const old = asideOf(copy);
  // Another process may have moved it just now.
  if (existsSync(copy)) renameSync(copy, old);
  rmSync(old, { recursive: true, force: true });
}

function asideOf(copy: string): string {
  return `${copy}.${process.pid}-${randomBytes(4).toString("hex")}`;
}

function copyTree(source: string, target: string): void {
  mkdirSync(target);
  chmodSync(target, 0o755);
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) copyTree(from, to);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else linkOrCopy(from, to);
  }
}

function linkOrCopy(source: string, target: string): void {
  const found = lstatSync(source);
  const mode = modeFor(found);
  // A link shares the mode, and the package's own files stay as they are.
  if ((found.mode & 0o777) === mode && isLinked(source, target)) return;
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  chmodSync(target, mode);
  utimesSync(target, found.atime, found.mtime);
}

/** False across file systems, and where a file system has no hard links. */
function isLinked(source: string, target: string): boolean {
  try {
    linkSync(source, target);
    return true;
  } catch {
    return false;
  }
}

/** Everybody may read and run the programs, whatever umask they were installed with. */
function modeFor({ mode }: Stats): number {
  return (mode & 0o100) === 0 ? 0o644 : 0o755;
}

function isCopyOf(source: string, copy: string): boolean {
  try {
    const links = libraryLinks(source).every(({ target }) => existsSync(join(copy, target)));
    return links && isSameTree(join(source, "native"), join(copy, "native"));
  } catch {
    return false;
  }
}

function isSameTree(source: string, copy: string): boolean {
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(copy, entry.name)];
    if (entry.isDirectory()) {
      if (!isSameTree(from, to)) return false;
    } else if (entry.isSymbolicLink()) {
      if (readlinkSync(from) !== readlinkSync(to)) return false;
    } else if (!isSameFile(lstatSync(from), lstatSync(to))) return false;
  }
  return true;
}

function isSameFile(source: Stats, copy: Stats): boolean {
  if ((copy.mode & 0o777) !== modeFor(source)) return false;
  if (source.ino === copy.ino && source.dev === copy.dev) return true;
  return source.size === copy.size && Math.abs(source.mtimeMs - copy.mtimeMs) < 1;
}

/** Removes drafts of dead processes, and copies of installations that are gone, unless they still run. */
function removeStaleCopies(base: string, kept: string): void {
  for (const name of readdirSync(base)) {
    const path = join(base, name);
    if (path === kept || !isStale(path, name)) continue;
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Another start removes it, now or later.
    }
  }
}

function isStale(path: string, name: string): boolean {
  const pid = DRAFT_NAME.exec(name)?.[1];
  if (pid !== undefined) return !isProcessAlive(Number(pid));
  const version = COPY_NAME.exec(name)?.[1];
  return version !== undefined && version !== sourceVersion(path) && !isRunFrom(path);
}

/** The version that is installed now where the copy was made from; null when there is none. */
function sourceVersion(copy: string): string | null {
  try {
    return readVersion(readFileSync(join(copy, SOURCE_FILE), "utf8"));
  } catch {
    return null;
  }
}

/** Whether any process runs a program below the folder; on a system without /proc, true. */
function isRunFrom(directory: string): boolean {
  if (!existsSync("/proc/self/exe")) return true;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.some((pid) => programOf(pid).startsWith(`${directory}/`));
}

function programOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return "";
  }
}
