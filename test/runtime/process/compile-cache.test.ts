import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const run = promisify(execFile);
const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "ringback-compiled-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Loads a module of the source in a process of its own, which is then killed. */
async function load(cache: string): Promise<string> {
  const program = `
    import { keepCompiled, saveCompiled } from ${JSON.stringify(source("runtime/process/module-loading.ts"))};
    keepCompiled(${JSON.stringify(cache)});
    const { PROBLEMS } = await import(${JSON.stringify(source("core/error-codes.ts"))});
    saveCompiled();
    process.stdout.write(String(PROBLEMS.not_found.status), () => process.kill(process.pid, "SIGKILL"));`;
  const { NODE_COMPILE_CACHE: _folder, NODE_DISABLE_COMPILE_CACHE: _isOff, ...env } = process.env;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
    env,
  }).catch((killed: unknown) => killed as { readonly stdout: string });
  return stdout;
}

test("compiled code is kept though the process is killed", async () => {
  expect(await load(join(folder, "cache"))).toBe("404");
  const kept = await readdir(join(folder, "cache"), { recursive: true, withFileTypes: true });
  expect(kept.filter((entry) => entry.isFile()).length).toBeGreaterThanOrEqual(1);
});

test("a folder that can't be written keeps nothing, and the program runs", async () => {
  await writeFile(join(folder, "file"), "");
  expect(await load(join(folder, "file", "cache"))).toBe("404");
});
