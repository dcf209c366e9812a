import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, expect, test } from "vitest";

const LOG = resolve(import.meta.dirname, "../../../src/runtime/process/log.ts");
const LIFE = resolve(import.meta.dirname, "../../../src/runtime/process/fatal-errors.ts");
const LINES = 4_000;

let end = (): unknown => undefined;
afterEach(() => end());

/** Logs more than may be kept, then says so; continues when it is told to. */
const PROGRAM = `
  import { createLog } from ${JSON.stringify(LOG)};
  import { surviveLostOutput } from ${JSON.stringify(LIFE)};
  surviveLostOutput();
  const log = createLog({ level: "info", format: "json" });
  for (let i = 0; i < ${LINES}; i += 1) log.info({ i, text: "x".repeat(1_000) }, "line");
  process.send("logged");
  process.once("message", () => {
    log.info("last words");
    process.exit(3);
  });`;

function start() {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  end = () => child.kill("SIGKILL");
  return child;
}

test("an unread output stops nothing, and the number of dropped lines is told when it is read again", async () => {
  const child = start();
  await once(child, "message");
  const seen: Record<string, unknown>[] = [];
  let rest = "";
  const isTold = new Promise<void>((told) => {
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      seen.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
      if (seen.some((line) => "lines" in line)) told();
    });
  });
  await isTold;
  child.send("go on");
  await once(child, "close");
  expect(child.exitCode).toBe(3);
  const numbers = seen.filter((line) => line["msg"] === "line").map((line) => line["i"]);
  expect(numbers).toEqual(numbers.map((_, i) => i));
  expect(seen.slice(numbers.length)).toMatchObject([
    { level: "warn", lines: LINES - numbers.length },
    { msg: "last words" },
  ]);
  expect(rest).toBe("");
});

test("an exit waits only for a moment for an unread output", async () => {
  const child = start();
  await once(child, "message");
  child.send("go on");
  const [code] = await once(child, "exit");
  expect(code).toBe(3);
});

test("a terminal that takes nothing stops nothing either", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "ringback-test-terminal-"));
  context.onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "program.mjs");
  const logged = join(folder, "logged");
  writeFileSync(
    program,
    `import { writeFileSync } from "node:fs";
    import { createLog } from ${JSON.stringify(LOG)};
    const log = createLog({ level: "info", format: "json" });
    for (let i = 0; i < ${LINES}; i += 1) log.info({ i, text: "x".repeat(1_000) }, "line");
    writeFileSync(${JSON.stringify(logged)}, String(process.stdout.isTTY));`,
  );
  // Its output is not read, so it soon reads the terminal no more.
  const command = `'${process.execPath}' '${program}'`;
  const onTerminal =
    process.platform === "darwin"
      ? ["-q", "/dev/null", "/bin/sh", "-c", command]
      : ["-q", "-c", command, "/dev/null"];
  const terminal = spawn("script", onTerminal, { stdio: ["ignore", "pipe", "inherit"] });
  end = () => terminal.kill("SIGKILL");
  const isTerminal = (): string => (existsSync(logged) ? readFileSync(logged, "utf8") : "");
  await expect.poll(isTerminal, { timeout: 50_000 }).toBe("true");
});
