import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const PROJECT = resolve(import.meta.dirname, "../..");
/** The inputs of the build. */
const SOURCES = [
  "package.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "src",
  "docs/guides",
  "drizzle",
  "examples",
];
const DOCUMENTS = ["README.md", "LICENSE"];

/** How a program ended. */
interface Finished {
  readonly code: number;
  readonly output: string;
}

/** A folder that the packed project was installed into, and nothing else but what it asked for. */
export interface InstalledPackage {
  readonly path: string;
  /** The files that the tarball holds. */
  readonly packed: readonly string[];
  /** Runs a command of a `PATH` that begins with this Node; never rejects. */
  run(node: string, command: string, args: readonly string[]): Promise<Finished>;
  remove(): Promise<void>;
}

/** The project's own Node. */
export const PROJECT_NODE = process.execPath;

/** The Node that the machine has, which is what a package meets; the project's own without one. */
export function machineNode(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, "node"))
    .find((file) => existsSync(file));
  return found ?? PROJECT_NODE;
}

/**
 * Packs the project as `npm publish` would, from a copy, and installs the tarball into an empty
 * folder with the machine's own Node.
 * @param dependencies what else goes into the folder, as `npm install` spells it
 */
export async function installPackage(
  dependencies: readonly string[] = [],
): Promise<InstalledPackage> {
  const root = await mkdtemp(join(tmpdir(), "ringback-test-package-"));
  const source = join(root, "source");
  const path = join(root, "app");
  await mkdir(path);
  // As root, Postgres runs as another user, who has to get in.
  await chmod(root, 0o711);
  for (const name of [...SOURCES, ...DOCUMENTS]) {
    await cp(join(PROJECT, name), join(source, name), { recursive: true });
  }
  await symlink(join(PROJECT, "node_modules"), join(source, "node_modules"));

  const pack = ["pack", "--json", "--pack-destination", root];
  const packed = await runIn(source, PROJECT_NODE, "npm", pack);
  if (packed.code !== 0) throw new Error(packed.output);
  const { filename, files } = tarballOf(packed.output);

  await writeFile(join(path, "package.json"), '{"private": true, "type": "module"}\n');
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  const install = ["install", ...options, join(root, filename), ...dependencies];
  const installed = await runIn(path, machineNode(), "npm", install);
  if (installed.code !== 0) throw new Error(installed.output);
  return {
    path,
    packed: files,
    run: (node, command, args) => runIn(path, node, command, args),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** @param output of `npm pack --json`, after what the build printed */
function tarballOf(output: string): { readonly filename: string; readonly files: string[] } {
  const [, json = ""] = /^([[{]\n[^]*)$/m.exec(output) ?? [];
  const value = JSON.parse(json) as Packed[] | Readonly<Record<string, Packed>>;
  const [first] = Object.values(value);
  if (first === undefined) throw new Error(`npm pack answered ${output}`);
  return { filename: first.filename, files: first.files.map((file) => file.path) };
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** The environment of a user who has this Node, and none of the project's. */
export function environmentOf(node: string): NodeJS.ProcessEnv {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const others = folders.filter((folder) => !folder.includes("node_modules"));
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|RINGBACK_|PULSE_|DATABASE_URL$|NODE_|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(own), PATH: [dirname(node), ...others].join(delimiter) };
}

async function runIn(
  cwd: string,
  node: string,
  command: string,
  args: readonly string[],
): Promise<Finished> {
  const options = { cwd, env: environmentOf(node), maxBuffer: 64 * 2 ** 20 };
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, options);
    return { code: 0, output: stderr + stdout };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as Partial<Record<string, string>>;
    if (typeof code !== "number") throw error;
    return { code, output: stderr + stdout };
  }
}

/** A file of the installed package itself. */
export function readInstalled({ path }: InstalledPackage, file: string): string {
  return readFileSync(join(path, "node_modules/ringback", file), "utf8");
}
