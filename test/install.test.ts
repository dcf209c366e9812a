import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/* The packages that `npm ci` installs, and the commands of package.json that use them. */

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly resolved?: string;
}

const PROJECT = resolve(import.meta.dirname, "..");
const CHECK = "./tools/node/check-version.cjs";
const run = promisify(execFile);

interface ProjectFile {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly packages: Readonly<Record<string, Locked>>;
}

/** Reads one of the project's files of JSON; a field that the file lacks is undefined. */
function readProjectFile(file: string): ProjectFile {
  return JSON.parse(readFileSync(resolve(PROJECT, file), "utf8")) as ProjectFile;
}

const { packages } = readProjectFile("package-lock.json");

test("the lock file holds the hash of every package, that of the Node for each platform included", () => {
  const unhashed = Object.entries(packages)
    .filter(
      ([path, { integrity, link }]) => path.startsWith("node_modules/") && !integrity && !link,
    )
    .map(([path]) => path);
  expect(unhashed).toEqual([]);
  const { version } = readProjectFile("tools/node/package.json");
  for (const platform of ["linux-x64", "linux-arm64", "darwin-x64", "bin-darwin-arm64"]) {
    expect(packages[`node_modules/node-${platform}`]).toMatchObject({
      version,
      dev: true,
      optional: true,
      integrity: expect.stringMatching(/^sha512-/),
    });
  }
  // The package that fetches one of these by a script when it is installed.
  expect(packages).not.toHaveProperty(["node_modules/node"]);
});

test("a Node that runs no TypeScript is told which one is needed, by every command that could meet it", async () => {
  const { scripts } = readProjectFile("package.json");
  const commands = Object.values(scripts).filter((script) => /\bnode .* src\//.test(script));
  expect(commands.length).toBeGreaterThan(4);
  for (const command of commands) expect(command).toContain(`node --require ${CHECK} src/`);

  const start = ["--require", CHECK, "src/main.ts", "--version"];
  const told = await run(process.execPath, start, { cwd: PROJECT });
  expect(told.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const without = run(process.execPath, ["--no-strip-types", ...start], { cwd: PROJECT });
  await expect(without).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/needs Node 24 or later, and this is v\d+.*\n.*--omit=dev.*\n$/),
  });
});
