import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { binariesIn, findPostgresPackage } from "./binaries.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { copyNative } from "./copy.ts";

/*
 * initdb, and the single-user Postgres that it starts, stop when the user that runs them has no name
 * in the user database. Neither needs the name: initdb is given one for the superuser. A number
 * without a name is ordinary in containers (`docker run --user`), and only root could add the
 * name, so the cluster is then made by a copy of the two programs that takes the first name there
 * is. The server itself asks for no name and is run as it is.
 */

/** In the table of names that the dynamic linker looks up. The zero bytes keep `getpwuid_r` out. */
const ASKS_BY_NUMBER = "\0getpwuid\0";
/** A path of the same type, as far as the caller can tell, and of the same length. */
const TAKES_THE_FIRST = "\0getpwent\0";

/** Makes such a copy in a directory that is not there yet. */
export function copyForUnnamedUser(directory: string): PostgresBinaries {
  copyNative(findPostgresPackage().directory, directory);
  const binaries = binariesIn(directory);
  takeFirstName(binaries.initdb);
  takeFirstName(binaries.postgres);
  return binaries;
}

function takeFirstName(program: string): void {
  const bytes = readFileSync(program);
  const at = bytes.indexOf(ASKS_BY_NUMBER, 0, "latin1");
  if (at === -1) throw new Error(`${program} does not ask for its user's name as it used to`);
  bytes.write(TAKES_THE_FIRST, at, "latin1");
  // The file may be a hard link to the package's, which stays as it is.
  const changed = `${program}.changed`;
  copyFileSync(program, changed);
  writeFileSync(changed, bytes);
  renameSync(changed, program);
}
