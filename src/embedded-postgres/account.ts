import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { StartRefusedError } from "../runtime/process/fatal-errors.ts";
import { binariesIn, findPostgresPackage, type PostgresBinaries } from "./binaries.ts";
import { copyNative } from "./copy.ts";

/** A user that Postgres runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const USER = "postgres";
/** Exists on every system, and owns nothing. */
const SPARE_USER = "nobody";

/**
 * Whom to run Postgres as; null is the user that runs this process. Postgres refuses to run as
 * root: root runs it as the owner of the data that is there already, else as the user `postgres`,
 * which is created when there is none, or as `nobody` where none can be created.
 */
export function chooseAccount(clusterDir: string): Account | null {
  const uid = process.getuid?.();
  if (uid === undefined) return null;
  const owner = statSync(clusterDir, { throwIfNoEntry: false });
  if (uid !== 0) {
    if (owner === undefined || owner.uid === uid) return null;
    throw new StartRefusedError(
      `${clusterDir} belongs to another user (uid ${owner.uid}), not to the one that runs Ringback ` +
        `(uid ${uid}). Run Ringback as that user, give it the directory (chown -R), or choose another DATA_DIR.`,
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return findUser(USER) ?? createUser();
}

function findUser(name: string): Account | null {
  const uid = spawnSync("id", ["-u", name], { encoding: "utf8" });
  const gid = spawnSync("id", ["-g", name], { encoding: "utf8" });
  if (uid.status !== 0 || gid.status !== 0) return null;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function createUser(): Account {
  const shell = ["--no-create-home", "--shell", "/usr/sbin/nologin"];
  const created = spawnSync("/usr/sbin/useradd", ["--system", "--user-group", ...shell, USER], {
    encoding: "utf8",
  });
  const account = findUser(USER) ?? findUser(SPARE_USER);
  if (account !== null) return account;
  const reason = (created.error?.message ?? created.stderr).trim();
  throw new StartRefusedError(
    `Postgres refuses to run as root, and the user ${USER} could not be created (${reason}). ` +
      `Run Ringback as another user, or create the user: useradd --system --user-group ${USER}`,
  );
}

/**
 * Whether the account can run a program that prints its version. Only a try tells: the modes of all
 * parents and of the libraries, ACLs and capabilities count.
 */
export function canRun(account: Account, program: string): boolean {
  const runs = spawnSync(program, ["--version"], { ...account, cwd: "/", env: {} });
  return runs.status === 0;
}

/** Whether the account can enter the directory. */
export function canEnter(account: Account, directory: string): boolean {
  // Not the child's working directory, which is entered before the user is changed.
  const enters = spawnSync("/bin/sh", ["-c", 'cd -- "$1"', "sh", directory], { ...account });
  return enters.status === 0;
}

/** Whether the account has a name in the user database; `docker run --user` takes any number. */
export function hasName(account: Account | null): boolean {
  return spawnSync("id", ["-un"], { ...account, cwd: "/" }).status === 0;
}

/** The refusal of a start that can't run or enter what it must. */
export function unreachable(
  account: Account | null,
  verb: "run" | "enter",
  path: string,
  cause?: unknown,
): Error {
  const remedy = verb === "run" ? "move the project" : "choose another DATA_DIR";
  const detail = cause instanceof Error ? ` A copy did not help either (${cause.message}).` : "";
  if (account === null) {
    return new StartRefusedError(`Postgres can't ${verb} ${path}; ${remedy}.${detail}`, { cause });
  }
  return new StartRefusedError(
    `Postgres refuses to run as root, and the user it runs as (uid ${account.uid}) can't ${verb} ${path}.${detail} ` +
      `Allow others to enter every directory above it (chmod o+x), ${remedy}, or run Ringback as another user.`,
    { cause },
  );
}

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
