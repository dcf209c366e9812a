import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { useGatewayProcesses, whenReady } from "../support/gateway-process.ts";

/*
 * The project as somebody has it who cloned it into a directory that only they may enter, with a umask
 * that lets others read nothing: root in most containers.
 */

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const PROJECT = resolve(import.meta.dirname, "../..");
const home = realpathSync(mkdtempSync(join(tmpdir(), "ringback-home-")));
const project = join(home, "my pröject");
const isRoot = process.getuid?.() === 0;

beforeAll(() => {
  const parts = ["src", "drizzle", "package.json", ...productionPackages()];
  const script =
    'umask 077; for part; do mkdir -p "$0/$(dirname "$part")"; cp -RP "$part" "$0/$part"; done';
  execFileSync("/bin/sh", ["-c", script, project, ...parts], { cwd: PROJECT });
});
const processes = useGatewayProcesses();
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Packages that `npm ci --omit=dev` installs here. */
function productionPackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(PROJECT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && existsSync(join(PROJECT, path)))
    .map(([path]) => path);
}

test("a project in a directory that only its user may enter starts, keeps its data there, and starts again", async (context) => {
  expect(statSync(home).mode & 0o777).toBe(0o700);
  const first = await whenReady(processes.run(context, { PORT: "0" }, [], project));
  const data = join(project, ".ringback", "postgres");
  if (isRoot) {
    const line = await first.logged(
      "started by root, as which Postgres refuses to run: it runs as another user",
    );
    expect(line).toMatchObject({ data, programs: expect.stringContaining("ringback-postgres") });
    expect(statSync(data).uid).toBe(line["uid"]);
  }
  expect((await first.api("GET", "/readyz")).status).toBe(200);
  const refused = await processes.run(context, { PORT: "0" }, [], project).exit;
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining(`(pid ${first.pid})`) });
  await first.crash();

  // By another way to the same directory, as /var and /private/var are on macOS.
  const alias = join(home, "alias");
  symlinkSync(project, alias);
  const env = { PORT: "0", DATA_DIR: join(alias, ".ringback") };
  const second = await whenReady(processes.run(context, env, [], project));
  expect(await second.logged("embedded Postgres is up")).toMatchObject({ takenOver: true });
  expect(await second.stop()).toMatchObject({
    code: 0,
    output: expect.stringContaining(
      `API key of the first start: in ${join(alias, ".ringback", "api-key")}`,
    ),
  });
  expect(statSync(home).mode & 0o777).toBe(0o700);
});

test("a project that may only be read starts with its data elsewhere", async (context) => {
  const dataDir = join(home, "data");
  mkdirSync(dataDir);
  execFileSync("chmod", ["-R", "a-w", project]);
  context.onTestFinished(() => void execFileSync("chmod", ["-R", "u+w", project]));
  const env = { PORT: "0", DATA_DIR: dataDir };
  const gateway = await whenReady(processes.run(context, env, [], project));
  expect(await gateway.stop()).toMatchObject({ code: 0 });
});
