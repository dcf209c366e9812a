import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { StartRefusedError } from "../runtime/start-refused.ts";

/** A user that Postgres runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const USER = "postgres";

/**
 * Whom to run Postgres as; null is the user that runs this process. Postgres refuses to run as
 * root: root runs it as the owner of the data that is there already, else as the user `postgres`,
 * which is created when there is none.
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
  return findUser() ?? createUser();
}

function findUser(): Account | null {
  const uid = spawnSync("id", ["-u", USER], { encoding: "utf8" });
  const gid = spawnSync("id", ["-g", USER], { encoding: "utf8" });
  if (uid.status !== 0 || gid.status !== 0) return null;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function createUser(): Account {
  const shell = ["--no-create-home", "--shell", "/usr/sbin/nologin"];
  const created = spawnSync("/usr/sbin/useradd", ["--system", "--user-group", ...shell, USER], {
    encoding: "utf8",
  });
  const account = findUser();
  if (account !== null) return account;
  const reason = (created.error?.message ?? created.stderr).trim();
  throw new StartRefusedError(
    `Postgres refuses to run as root, and the user ${USER} could not be created (${reason}). ` +
      `Run Ringback as another user, or create the user: useradd --system --user-group ${USER}`,
  );
}

/**
 * Throws a message that says what to do unless the account can run the program and enter the
 * directory. Only a try tells: modes of all parents, ACLs and capabilities count.
 */
export function checkReach(account: Account | null, program: string, directory: string): void {
  if (account === null) return;
  const runs = spawnSync(program, ["--version"], { ...account, cwd: "/" });
  if (runs.error !== undefined) throw unreachable(account, "run", program, runs.error);
  // Not the child's working directory, which is entered before the user is changed.
  const enters = spawnSync("/bin/sh", ["-c", 'cd -- "$1"', "sh", directory], { ...account });
  if (enters.error !== undefined || enters.status !== 0) {
    throw unreachable(account, "enter", directory, enters.error);
  }
}

function unreachable(account: Account, verb: "run" | "enter", path: string, cause?: Error): Error {
  const what = verb === "run" ? "move the project" : "choose another DATA_DIR";
  return new StartRefusedError(
    `Postgres refuses to run as root, and the user it runs as (uid ${account.uid}) can't ${verb} ${path}. ` +
      `Allow others to enter every directory above it (chmod o+x), ${what}, or run Ringback as another user.`,
    { cause },
  );
}
