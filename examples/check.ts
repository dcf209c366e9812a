/*
 * Runs the example receivers in their real frameworks and sends each an event of every kind. Copies
 * are installed into a temporary folder, from npm, PyPI, Go's modules, Maven and crates.io; those of
 * `platforms/` beside the packed package, as is a program that uses the client, and run in workerd, Bun, Deno, Next, Express and Fastify themselves.
 * `npm run examples`, or with names for some of them.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { PlatformName } from "../src/cli/commands/receivers/platforms.ts";
import { CLIENT_FILES, tryClient } from "../test/support/client-trial.ts";
import { type ExampleCommand, tryExample } from "../test/support/example-receiver.ts";
import { installPackage, type InstalledPackage } from "../test/support/installed-package.ts";

const folder = join(mkdtempSync(join(tmpdir(), "ringback-examples-")), "receivers");
cpSync(resolve(import.meta.dirname, "receivers"), folder, { recursive: true });

/** An example with what it needs of its own language. */
interface LanguageExample {
  readonly kind: "language";
  /** Commands that install what it needs; it is left out when the first one is not on this machine. */
  readonly install: readonly (readonly string[])[];
  readonly run: readonly [string, ...string[]];
  readonly cwd?: string;
}

/** An example that runs beside the packed package. */
interface PackageExample {
  readonly kind: "package";
  /** Further npm packages to install, each with its version pinned. */
  readonly packages: readonly string[];
  /** A command that brings the example into the shape that its platform wants. */
  readonly prepare?: string;
  readonly run: readonly [string, ...string[]];
}

const venv = join(folder, "venv");
const python: LanguageExample["install"] = [
  ["python3", "-m", "venv", venv],
  [join(venv, "bin/pip"), "install", "--quiet", "-r", "requirements.txt"],
];

const NODE = process.execPath;
// The programs themselves, which install scripts move to where npm links to, if they may run.
const BUN = firstOf("node_modules/@oven/bun-linux-x64/bin/bun", "node_modules/bun/bin/bun.exe");
const DENO = firstOf("node_modules/@deno/linux-x64-glibc/deno", "node_modules/deno/deno");
const DENO_RUN = `exec ${DENO} run --allow-net --allow-env --node-modules-dir=manual`;

const WORKERD = ["workerd@1.20261117.1", "esbuild@0.28.2"] as const;

function firstOf(...files: readonly string[]): string {
  return `$(ls ${files.join(" ")} 2>/dev/null | head -n 1)`;
}

interface ProjectFile {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** As the project itself has it, so that what is tried here is what the suite runs. */
function pinned(name: string): string {
  const file = resolve(import.meta.dirname, "../package.json");
  const project = JSON.parse(readFileSync(file, "utf8")) as ProjectFile;
  const version = { ...project.devDependencies, ...project.dependencies }[name];
  if (version === undefined) throw new Error(`package.json does not name ${name}.`);
  return `${name}@${version}`;
}

/** A program that uses the client, beside the packed package. */
interface ClientExample {
  readonly kind: "client";
  readonly packages: readonly string[];
  readonly run: readonly [string, ...string[]];
  /** Whether it runs for each request that it gets. */
  readonly serves: boolean;
}

function packaged(run: PackageExample["run"], ...packages: readonly string[]): PackageExample {
  return { kind: "package", run, packages };
}

const PLATFORM_EXAMPLES: Readonly<Record<PlatformName, LanguageExample | PackageExample>> = {
  node: packaged([NODE, "node.mjs"]),
  express: packaged([NODE, "express.mjs"], pinned("express")),
  fastify: packaged([NODE, "fastify.mjs"], pinned("fastify")),
  hono: packaged([NODE, "hono.mjs"], pinned("hono"), pinned("@hono/node-server")),
  next: {
    kind: "package",
    packages: ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"],
    prepare:
      "export NEXT_TELEMETRY_DISABLED=1; mkdir -p next/app/hook && cp next-route.mjs next/app/hook/route.js && cd next && npx next build",
    // Next itself: npx would not pass on the signal that ends it.
    run: [
      "sh",
      "-c",
      `cd next && exec ${NODE} ../node_modules/next/dist/bin/next start --port "$PORT"`,
    ],
  },
  vercel: packaged([NODE, "platform.mjs", "vercel.mjs"]),
  workers: packaged([NODE, "workerd.mjs", "workers.mjs"], ...WORKERD),
  deno: packaged(["sh", "-c", `${DENO_RUN} deno.mjs`], "deno@2.9.6"),
  // Where it listens is said by Supabase, and not by the function.
  supabase: packaged(
    ["sh", "-c", `export DENO_SERVE_ADDRESS=tcp:127.0.0.1:$PORT; ${DENO_RUN} supabase.mjs`],
    "deno@2.9.6",
  ),
  bun: packaged(["sh", "-c", `exec ${BUN} bun.mjs`], "bun@1.4.5"),
  lambda: packaged([NODE, "platform.mjs", "lambda.mjs"]),
  flask: {
    kind: "language",
    install: python,
    run: [join(venv, "bin/python"), "flask_app.py"],
  },
  fastapi: {
    kind: "language",
    install: python,
    run: [join(venv, "bin/python"), "fastapi_app.py"],
  },
  go: {
    kind: "language",
    install: [["go", "build", "-o", "receiver"]],
    run: ["./receiver"],
    cwd: join(folder, "go"),
  },
  ruby: {
    kind: "language",
    install: [["ruby", "-e", 'require "webrick"']],
    run: ["ruby", "receiver.rb"],
  },
  // The web server that comes with PHP takes its address as an argument.
  php: {
    kind: "language",
    install: [["php", "--version"]],
    run: ["sh", "-c", 'exec php -S "127.0.0.1:$PORT" receiver.php'],
  },
  java: {
    kind: "language",
    install: [["mvn", "--quiet", "compile", "dependency:copy-dependencies"]],
    run: ["java", "-cp", "target/classes:target/dependency/*", "Receiver"],
    cwd: join(folder, "java"),
  },
  rust: {
    kind: "language",
    install: [["cargo", "build", "--quiet"]],
    run: ["target/debug/receiver"],
    cwd: join(folder, "rust"),
  },
};

function client(run: ClientExample["run"], ...packages: readonly string[]): ClientExample {
  return { kind: "client", run, packages, serves: false };
}

const CLIENT_EXAMPLES: Readonly<Record<string, ClientExample>> = {
  "client-node": client([NODE, "client-main.mjs"]),
  "client-deno": client(["sh", "-c", `${DENO_RUN} client-main.mjs`], "deno@2.9.6"),
  "client-bun": client(["sh", "-c", `exec ${BUN} client-main.mjs`], "bun@1.4.5"),
  "client-workers": {
    ...client([NODE, "workerd.mjs", "client-program.mjs"], ...WORKERD),
    serves: true,
  },
};

const EXAMPLES: Readonly<Record<string, LanguageExample | PackageExample | ClientExample>> = {
  ...PLATFORM_EXAMPLES,
  ...CLIENT_EXAMPLES,
  // The same as `express`, without the package.
  "express-standardwebhooks": {
    kind: "language",
    install: [["npm", "install", "--silent"]],
    run: [NODE, "express.mjs"],
  },
};

const asked = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(EXAMPLES);
let installed: InstalledPackage | null = null;

/** The packed package with what the asked examples need beside it, and the examples in the same folder. */
async function platformFolder(): Promise<string> {
  if (installed === null) {
    const packages = asked.flatMap((name) => {
      const example = EXAMPLES[name];
      return example === undefined || example.kind === "language" ? [] : example.packages;
    });
    installed = await installPackage([...new Set(packages)]);
    cpSync(resolve(import.meta.dirname, "platforms"), installed.path, { recursive: true });
    for (const name of ["platform.mjs", "workerd.mjs", ...CLIENT_FILES]) {
      cpSync(resolve(import.meta.dirname, "../test/support", name), join(installed.path, name));
    }
  }
  return installed.path;
}

const EXPECTED = [204, 204, 204, 204, 400];
let failures = 0;

for (const name of asked) {
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
  const example = EXAMPLES[name];
  if (example === undefined) throw new Error(`There is no example ${name}.`);
  const [command, ...args] = example.run;
  if (example.kind === "client") {
    const said = await tryClient({
      command,
      args,
      cwd: await platformFolder(),
      serves: example.serves,
    });
    if (said !== null) process.stdout.write(`${said}\n`);
    return said === null;
  }
  if (example.kind === "package") {
    const cwd = await platformFolder();
    const { prepare } = example;
    const isPrepared = prepare === undefined || install([["sh", "-c", prepare]], cwd) === true;
    return isPrepared && isTaken({ command, args, cwd });
  }
  const cwd = example.cwd ?? folder;
  const isInstalled = install(example.install, cwd);
  if (isInstalled === null) {
    process.stdout.write(`${name}: not tried, this machine lacks ${example.install[0]?.[0]}\n`);
    return null;
  }
  return isInstalled && isTaken({ command, args, cwd });
}

/** Null when the first command is not on this machine. */
function install(commands: LanguageExample["install"], cwd: string): boolean | null {
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
