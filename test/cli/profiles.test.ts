import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pty from "@lydell/node-pty";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readProfiles, writeProfiles } from "../../src/cli/frame/profiles.ts";
import { cliCommand } from "../support/cli-process.ts";
import { runCli } from "../support/cli.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* Which gateway and key a command uses, and what it does on a terminal. */

let gateway: TestGateway;
let upstream: FakeUpstream;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  gateway = await startTestGateway({
    PULSE_API_KEY: "upstream-key",
    PULSE_BASE_URL: upstream.origin,
  });
});

afterAll(async () => {
  await gateway.discard();
  await upstream.close();
});

beforeEach(({ onTestFinished }) => {
  home = mkdtempSync(join(tmpdir(), "ringback-test-profiles-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  env = { XDG_CONFIG_HOME: home, DATA_DIR: join(home, "none") };
});

const file = (): string => join(home, "ringback/profiles.json");

test("login keeps a key that works for this user alone, and commands use it", async () => {
  const login = await runCli(["login", "--url", gateway.url], env, `${API_KEY}\n`);
  expect(login).toMatchObject({ code: 0, stderr: "" });
  expect(login.stdout).toBe(
    `Saved the profile default in ${file()}: ${gateway.url}, to the project default.\n`,
  );
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(await runCli(["list"], env)).toMatchObject({ code: 0, stderr: "There are none.\n" });
  expect((await runCli(["profile", "show"], env)).stdout).toBe(
    `${gateway.url}, with the key of: profile default\n`,
  );
  expect((await runCli(["profile", "list"], env)).stdout).toMatch(/^\* +default +http:/m);
});

test("a key that does not work is not kept", async () => {
  const login = await runCli(["login", "--url", gateway.url], env, "rb_wrong\n");
  expect(login).toMatchObject({ code: 3, stdout: "" });
  expect((await runCli(["profile", "list", "--json"], env)).stdout).toBe('{"profiles":[]}\n');
});

test("a file that others can read is refused, with what to do", async () => {
  await runCli(["login", "--url", gateway.url], env, API_KEY);
  chmodSync(file(), 0o640);
  const refused = await runCli(["list"], env);
  expect(refused.stderr).toBe(
    `Error: Others can read ${file()} (mode 640), which holds an API key.\n` +
      `Take that right from them: chmod 600 '${file()}'.\n`,
  );
  expect(refused.code).toBe(1);
  expect(readFileSync(file(), "utf8")).toContain(API_KEY);
});

test("a saved key is never sent to another gateway than its own", async () => {
  await runCli(["login", "--url", gateway.url], env, API_KEY);
  const elsewhere = await runCli(["list", "--url", "http://127.0.0.1:9"], env);
  expect(elsewhere.stderr).toContain("There is no API key for the gateway at http://127.0.0.1:9.");
  const other = await runCli(["list"], { ...env, RINGBACK_URL: "http://127.0.0.1:9" });
  expect(other.code).toBe(3);
});

test("flags come before a named profile, that before the environment, that before the current one", async () => {
  await runCli(["login", "--url", gateway.url], env, API_KEY);
  const used = async (args: string[], more: Record<string, string> = {}): Promise<string> =>
    (await runCli(["profile", "show", ...args], { ...env, ...more })).stdout;
  const environment = { RINGBACK_URL: "http://127.0.0.1:9", RINGBACK_API_KEY: "rb_environment" };
  expect(await used([], environment)).toBe(
    "http://127.0.0.1:9, with the key of: RINGBACK_API_KEY\n",
  );
  expect(await used(["--profile", "default"], environment)).toContain("profile default");
  expect(await used([], { ...environment, RINGBACK_PROFILE: "default" })).toContain(
    "profile default",
  );
  expect(await used(["--url", "http://127.0.0.1:10"], environment)).toBe(
    "http://127.0.0.1:10, with the key of: RINGBACK_API_KEY\n",
  );
  const missing = await runCli(["list", "--profile", "none"], env);
  expect(missing.stderr).toContain("There are: default.");
  await runCli(["profile", "remove", "default"], env);
  expect((await runCli(["profile", "show"], env)).code).toBe(3);
});

test("on a terminal the key is not shown as it is typed, and an ending has a color", async () => {
  upstream.answer("pty-job", pulseAnswer.completed());
  const login = onTerminal(["login", "--url", gateway.url]);
  await login.until("not shown): ");
  login.type(`${API_KEY}x\u007f\r`);
  expect(await login.exit).toBe(0);
  expect(login.printed()).toContain("Saved the profile default");
  expect(login.printed()).not.toContain(API_KEY);

  await runCli(["subscribe", "pty-job", "--inbox", "pty"], env);
  const waiting = onTerminal(["wait", "pty-job"]);
  expect(await waiting.exit).toBe(0);
  expect(waiting.printed()).toContain("\u001b[32mcompleted\u001b[39m  pty-job");
  const plain = onTerminal(["wait", "pty-job"], { NO_COLOR: "1" });
  expect(await plain.exit).toBe(0);
  expect(plain.printed()).toContain("completed  pty-job");
});

test("on a terminal a long wait shows that it goes on, and Ctrl-C ends it with a clean line", async () => {
  await runCli(["login", "--url", gateway.url], env, API_KEY);
  upstream.answer("pty-long", pulseAnswer.processing());
  await runCli(["subscribe", "pty-long", "--inbox", "pty"], env);
  const waiting = onTerminal(["wait", "pty-long"]);
  await waiting.until("Waiting for the job to end … ");
  waiting.type("\u0003");
  expect(await waiting.exit).toBe(130);
  expect(waiting.printed().endsWith("\r\u001b[K")).toBe(true);
});

test("a user without a home has no profiles, and can save one only where a folder is named", async () => {
  const homeless = (): string => {
    throw new Error("A system error occurred: uv_os_homedir returned ENOENT");
  };
  await expect(readProfiles({}, homeless)).resolves.toEqual({ current: null, profiles: {} });
  const saved = { current: "one", profiles: { one: { url: "http://127.0.0.1", api_key: "k" } } };
  await expect(writeProfiles({}, saved, homeless)).rejects.toMatchObject({
    hint: expect.stringContaining("XDG_CONFIG_HOME"),
  });
  await writeProfiles(env, saved, homeless);
  await expect(readProfiles(env, homeless)).resolves.toEqual(saved);
});

interface OnTerminal {
  readonly printed: () => string;
  readonly type: (text: string) => void;
  readonly until: (text: string) => Promise<void>;
  readonly exit: Promise<number>;
}

/** Runs a command in a pseudo-terminal. */
function onTerminal(args: readonly string[], more: Record<string, string> = {}): OnTerminal {
  const { file: command, args: all, env: base } = cliCommand(args, { ...env, ...more });
  const terminal = pty.spawn(command, all, { cols: 100, rows: 30, env: base });
  let printed = "";
  terminal.onData((chunk) => (printed += chunk));
  const exit = new Promise<number>((resolve) =>
    terminal.onExit(({ exitCode }) => resolve(exitCode)),
  );
  return {
    printed: () => printed,
    type: (text) => terminal.write(text),
    async until(text) {
      await expect.poll(() => printed).toContain(text);
    },
    exit,
  };
}
