/*
 * Runs the example receivers in their real frameworks and sends each an event of every kind. Copies
 * are installed into a temporary folder, from npm, PyPI, Go's modules, Maven and crates.io. `npm run
 * examples`, or with names for some of them.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ExampleCommand, tryExample } from "../test/support/example-receiver.ts";

const folder = join(mkdtempSync(join(tmpdir(), "ringback-examples-")), "receivers");
cpSync(resolve(import.meta.dirname, "receivers"), folder, { recursive: true });

interface Example {
  /** Commands that install what it needs; it is left out when the first one is not on this machine. */
  readonly install: readonly (readonly string[])[];
  readonly run: readonly [string, ...string[]];
  readonly cwd?: string;
}

const venv = join(folder, "venv");
const python: Example["install"] = [
  ["python3", "-m", "venv", venv],
  [join(venv, "bin/pip"), "install", "--quiet", "-r", "requirements.txt"],
];

const EXAMPLES: Readonly<Record<string, Example>> = {
  express: { install: [["npm", "install", "--silent"]], run: [process.execPath, "express.mjs"] },
  flask: { install: python, run: [join(venv, "bin/python"), "flask_app.py"] },
  fastapi: { install: python, run: [join(venv, "bin/python"), "fastapi_app.py"] },
  go: {
    install: [["go", "build", "-o", "receiver"]],
    run: ["./receiver"],
    cwd: join(folder, "go"),
  },
  ruby: { install: [["ruby", "-e", 'require "webrick"']], run: ["ruby", "receiver.rb"] },
  // The web server that comes with PHP takes its address as an argument.
  php: {
    install: [["php", "--version"]],
    run: ["sh", "-c", 'exec php -S "127.0.0.1:$PORT" receiver.php'],
  },
  java: {
    install: [["mvn", "--quiet", "compile", "dependency:copy-dependencies"]],
    run: ["java", "-cp", "target/classes:target/dependency/*", "Receiver"],
    cwd: join(folder, "java"),
  },
  rust: {
    install: [["cargo", "build", "--quiet"]],
    run: ["target/debug/receiver"],
    cwd: join(folder, "rust"),
  },
};

const EXPECTED = [204, 204, 204, 204, 400];
let failures = 0;

for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(EXAMPLES)) {
  const example = EXAMPLES[name];
  if (example === undefined) throw new Error(`There is no example ${name}.`);
  const cwd = example.cwd ?? folder;
  const isInstalled = install(example.install, cwd);
  if (isInstalled === null) {
    process.stdout.write(`${name}: not tried, this machine lacks ${example.install[0]?.[0]}\n`);
    continue;
  }
  const [command, ...args] = example.run;
  const isRight = isInstalled && (await isTaken({ command, args, cwd }));
  process.stdout.write(`${name}: ${isRight ? "ok" : "FAILED"}\n`);
  if (!isRight) failures += 1;
}
rmSync(resolve(folder, ".."), { recursive: true });
process.exitCode = failures === 0 ? 0 : 1;

/** Null when the first command is not on this machine. */
function install(commands: Example["install"], cwd: string): boolean | null {
  for (const [index, [command = "", ...args]] of commands.entries()) {
    const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
    if (index === 0 && error !== undefined) return null;
    if (status !== 0) return false;
  }
  return true;
}

async function isTaken(example: ExampleCommand): Promise<boolean> {
  const { statuses, printed } = await tryExample(example);
  if (JSON.stringify(statuses) !== JSON.stringify(EXPECTED)) {
    process.stdout.write(`answered ${statuses.join(", ")} instead of ${EXPECTED.join(", ")}\n`);
    return false;
  }
  return ["job.completed", "connection.paused", "ringback.test"].every((type) =>
    printed.includes(type),
  );
}
