import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { binariesIn, linkLibraries, readVersion } from "../src/embedded-postgres/binaries.ts";
import { unusedPort } from "./support/ports.ts";

/*
 * npm run test:postgres-versions [-- 15 17 …]
 *
 * The main path on every supported major version of Postgres: all statements of the store, endings,
 * several nodes, redeliveries and results. The servers are npm's, or else Debian's packages where they are
 * installed (`postgresql-15` and so on). A version that neither has is named, and is no failure. Not part of `npm test`. Exits with
 * 1 when a version failed, or none could be tried.
 */

const VERSIONS = ["15.18.0-beta.17", "16.14.0-beta.17", "17.10.0-beta.17", "18.4.0-beta.17"];
const TESTS = [
  "test/store/writes/accept-subscriptions.test.ts",
  "test/store/db/database.test.ts",
  "test/store/ending-races.test.ts",
  "test/store/jobs/fetched-results.test.ts",
  "test/store/db/migrate.test.ts",
  "test/store/nodes.test.ts",
  "test/store/events/operational-events.test.ts",
  "test/store/writes/result-parts.test.ts",
  "test/cluster/retention.test.ts",
  "test/end-to-end/endings.test.ts",
  "test/end-to-end/nodes-hand-over.test.ts",
  "test/delivery/redelivery-runner.test.ts",
  "test/end-to-end/subscriptions.test.ts",
];
const PROJECT = fileURLToPath(new URL("..", import.meta.url));
const PASSWORD = "ringback";
const START_MS_MAX = 60_000;
const INSTALL_MS_MAX = 10 * 60_000;
/** Bounds one version: many times as long as an idle machine takes. */
const VERSION_MS_MAX = 20 * 60_000;
/** Generous, so that a busy machine fails no test: features that a version lacks fail at once. */
const TEST_MS_MAX = 180_000;
/** Postgres refuses to run as root. */
const UNPRIVILEGED_ID = 65534;
const account = process.getuid?.() === 0 ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {};
// That account has to read the programs that npm installs, whatever the caller's umask.
process.umask(0o022);

interface Server extends AsyncDisposable {
  readonly url: string;
  /** As the server itself says. */
  readonly version: string;
}

// Vitest runs what is there of a list, and says nothing of the rest.
const missing = TESTS.filter((test) => !existsSync(join(PROJECT, test)));
if (missing.length > 0) throw new Error(`There is no ${missing.join(", ")}.`);

const outcomes: string[] = [];
let tried = 0;
for (const version of VERSIONS.filter(isWanted)) {
  say(`== Postgres ${version}`);
  await using server = await startServer(version);
  if (server === null) {
    outcomes.push(`Postgres ${version}: NOT TRIED, neither npm nor Debian's packages have it here`);
    continue;
  }
  tried += 1;
  const run = ["node_modules/.bin/vitest", "run", `--testTimeout=${TEST_MS_MAX}`, ...TESTS];
  const { status } = spawnSync(process.execPath, run, {
    cwd: PROJECT,
    stdio: "inherit",
    env: { ...process.env, TEST_POSTGRES_URL: server.url },
    timeout: VERSION_MS_MAX,
  });
  if (status !== 0) process.exitCode = 1;
  // Without a status it took too long, and was ended.
  const failure = status === null ? "TOOK TOO LONG" : "FAILED";
  outcomes.push(`Postgres ${server.version}: ${status === 0 ? "passed" : failure}`);
}
say(outcomes.join("\n"));
if (tried === 0) process.exitCode = 1;

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

function isWanted(version: string): boolean {
  const majors = process.argv.slice(2);
  return majors.length === 0 || majors.some((major) => version.startsWith(`${major}.`));
}

/**
 * Finds the programs of the version and starts them on a free port, with data in a directory of their
 * own. Null for a version that can't be had here.
 */
async function startServer(version: string): Promise<Server | null> {
  await using started = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "ringback-postgres-"));
  started.defer(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  const programs = installed(version, directory) ?? packaged(version);
  if (programs === null) return null;
  const binaries = binariesIn(programs);
  const data = join(directory, "data");
  mkdirSync(data);
  if (account.uid !== undefined) chownSync(data, account.uid, account.gid);
  writeFileSync(join(directory, "password"), PASSWORD);
  const files = [`--pgdata=${data}`, `--pwfile=${join(directory, "password")}`];
  const init = ["--username=ringback", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"];
  execFileSync(binaries.initdb, [...files, ...init, "--no-sync"], {
    cwd: data,
    stdio: ["ignore", "ignore", "inherit"],
    ...account,
  });
  const port = await unusedPort();
  const settings = ["fsync=off", "max_connections=300", "unix_socket_directories="];
  const child = spawn(
    binaries.postgres,
    ["-D", data, "-p", String(port), "-h", "127.0.0.1", ...settings.flatMap((one) => ["-c", one])],
    { cwd: data, stdio: "ignore", ...account },
  );
  started.defer(() => stopServer(child));
  const url = `postgres://ringback:${PASSWORD}@127.0.0.1:${port}/postgres`;
  const running = await untilUp(url);
  const resources = started.move();
  return { url, version: running, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Installs npm's package of the version; null when npm has none for this machine. */
function installed(version: string, directory: string): string | null {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  writeFileSync(join(directory, "package.json"), "{}");
  const npm = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
  const { status } = spawnSync("npm", [...npm, `${name}@${version}`], {
    cwd: directory,
    stdio: "inherit",
    timeout: INSTALL_MS_MAX,
  });
  if (status !== 0) return null;
  const folder = join(directory, "node_modules", name);
  const native = join(folder, "native");
  linkLibraries({ directory: folder, native, version: readVersion(folder) });
  return native;
}

/** Where Debian's packages of the same major version put their programs; null when not installed. */
function packaged(version: string): string | null {
  const root = join("/usr/lib/postgresql", version.split(".", 1).join(""));
  return existsSync(join(root, "bin", "postgres")) ? root : null;
}

async function untilUp(url: string): Promise<string> {
  const giveUpAt = performance.now() + START_MS_MAX;
  for (;;) {
    const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
    try {
      const [row] = await sql<{ version: string }[]>`
        select current_setting('server_version') as version`;
      return row?.version ?? "unknown";
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await wait(200);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

/** SIGINT: ends at once whatever is still connected, and writes down what there is. */
async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  await exited;
}
