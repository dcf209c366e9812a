/*
 * Runs the example receivers in their real frameworks and sends each an event of every kind. Copies
 * are installed into a temporary folder, from npm, PyPI, Go's modules, Maven and crates.io; those of
 * `platforms/` beside the packed package, and run in workerd, Bun, Deno, Express and Fastify themselves. `npm
 * run examples`, or with names for some of them.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ExampleCommand, tryExample } from "../test/support/example-receiver.ts";
import { installPackage, type InstalledPackage } from "../test/support/installed-package.ts";

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

/** What the examples of `platforms/` need besides the package, each version pinned. */
const PLATFORM_PACKAGES = [
  "express@5.3.0",
  "fastify@5.12.8",
  "hono@4.13.19",
  "@hono/node-server@2.1.9",
  "bun@1.4.5",
  "deno@2.9.6",
  "miniflare@4.20260426.0",
  "esbuild@0.28.2",
];
// The programs themselves, which install scripts move to where npm links to, if they may run.
const BUN = firstOf("node_modules/@oven/bun-linux-x64/bin/bun", "node_modules/bun/bin/bun.exe");
const DENO = firstOf("node_modules/@deno/linux-x64-glibc/deno", "node_modules/deno/deno");
const DENO_RUN = `exec ${DENO} run --allow-net --allow-env --node-modules-dir=manual`;

function firstOf(...files: readonly string[]): string {
  return `$(ls ${files.join(" ")} 2>/dev/null | head -n 1)`;
}

const PLATFORMS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "platform-node": [process.execPath, "node.mjs"],
  "platform-hono": [process.execPath, "hono.mjs"],
  "platform-express": [process.execPath, "express.mjs"],
  "platform-fastify": [process.execPath, "fastify.mjs"],
  "platform-vercel": [process.execPath, "platform.mjs", "vercel.mjs"],
  "platform-next": [process.execPath, "platform.mjs", "next-route.mjs"],
  "platform-lambda": [process.execPath, "platform.mjs", "lambda.mjs"],
  "platform-workers": [process.execPath, "workerd.mjs", "workers.mjs"],
  "platform-bun": ["sh", "-c", `exec ${BUN} bun.mjs`],
  "platform-deno": ["sh", "-c", `${DENO_RUN} deno.mjs`],
  // Where it listens is said by Supabase, and not by the function.
  "platform-supabase": [
    "sh",
    "-c",
    `export DENO_SERVE_ADDRESS=tcp:127.0.0.1:$PORT; ${DENO_RUN} supabase.mjs`,
  ],
};

let installed: InstalledPackage | null = null;

/** The packed package with all platforms beside it, and the examples in the same folder. */
async function platformFolder(): Promise<string> {
  if (installed === null) {
    installed = await installPackage(PLATFORM_PACKAGES);
    cpSync(resolve(import.meta.dirname, "platforms"), installed.path, { recursive: true });
    for (const name of ["platform.mjs", "workerd.mjs"]) {
      cpSync(resolve(import.meta.dirname, "../test/support", name), join(installed.path, name));
    }
  }
  return installed.path;
}

const EXPECTED = [204, 204, 204, 204, 400];
let failures = 0;

const ALL = [...Object.keys(EXAMPLES), ...Object.keys(PLATFORMS)];
for (const name of process.argv.length > 2 ? process.argv.slice(2) : ALL) {
  const isRight = await isExampleRight(name);
  if (isRight === null) continue;
  process.stdout.write(`${name}: ${isRight ? "ok" : "FAILED"}\n`);
  if (!isRight) failures += 1;
}
await (installed as InstalledPackage | null)?.remove();
rmSync(resolve(folder, ".."), { recursive: true });
process.exitCode = failures === 0 ? 0 : 1;

/** Null when the machine lacks what it takes. */
async function isExampleRight(name: string): Promise<boolean | null> {
  const platform = PLATFORMS[name];
  if (platform !== undefined) {
    const [command, ...args] = platform;
    return isTaken({ command, args, cwd: await platformFolder() });
  }
  const example = EXAMPLES[name];
  if (example === undefined) throw new Error(`There is no example ${name}.`);
  const cwd = example.cwd ?? folder;
  const isInstalled = install(example.install, cwd);
  if (isInstalled === null) {
    process.stdout.write(`${name}: not tried, this machine lacks ${example.install[0]?.[0]}\n`);
    return null;
  }
  const [command, ...args] = example.run;
  return isInstalled && isTaken({ command, args, cwd });
}

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
