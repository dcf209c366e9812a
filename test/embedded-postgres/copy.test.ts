import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { PostgresPackage } from "../../src/embedded-postgres/binaries.ts";
import { ensureCopy } from "../../src/embedded-postgres/copy.ts";

let root: string;
let base: string;
let installed: PostgresPackage;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ringback-copy-"));
  base = join(root, "base");
  installed = install("1.0.0");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A package as npm leaves it, without the links among its libraries. */
function install(version: string): PostgresPackage {
  const directory = join(root, "package");
  const native = join(directory, "native");
  rmSync(directory, { recursive: true, force: true });
  for (const folder of ["bin", "lib", "share"]) {
    mkdirSync(join(native, folder), { recursive: true, mode: 0o755 });
  }
  writeFileSync(join(directory, "package.json"), JSON.stringify({ version }));
  const links = [{ source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so" }];
  writeFileSync(join(native, "pg-symlinks.json"), JSON.stringify(links));
  put(join(native, "lib", "libpq.so.5.18"), `library of ${version}`, 0o644);
  put(join(native, "share", "postgres.bki"), "private", 0o600);
  copyFileSync("/bin/sleep", join(native, "bin", "postgres"));
  chmodSync(join(native, "bin", "postgres"), 0o755);
  return { directory, native, version };
}

function put(path: string, text: string, mode: number): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test("a copy links what all may read, copies the rest readable, and has the libraries' links, whatever the umask", () => {
  const umask = process.umask(0o077);
  const copy = ensureCopy(installed, base);
  process.umask(umask);
  const pairs = ["lib/libpq.so.5.18", "share/postgres.bki"].map((name) =>
    [installed.native, copy].map((native) => statSync(join(native, name)).ino),
  );
  expect(pairs.map(([from, to]) => from === to)).toEqual([true, false]);
  expect(readFileSync(join(copy, "lib", "libpq.so"), "utf8")).toBe("library of 1.0.0");
  expect([base, dirname(copy), copy, join(copy, "bin")].map(modeOf)).toEqual(Array(4).fill(0o755));
  expect(modeOf(join(copy, "share", "postgres.bki"))).toBe(0o644);
  expect(modeOf(join(copy, "bin", "postgres"))).toBe(0o755);
  // The package is as it was.
  expect(modeOf(join(installed.native, "share", "postgres.bki"))).toBe(0o600);
  expect(existsSync(join(installed.native, "lib", "libpq.so"))).toBe(false);
});

test("on another file system everything is copied", () => {
  const other = ["/dev/shm", "/run", "/var/tmp"].find(
    (path) => existsSync(path) && statSync(path).dev !== statSync(root).dev,
  );
  base = mkdtempSync(join(other ?? root, "ringback-copy-"));
  const copy = ensureCopy(installed, base);
  const again = ensureCopy(installed, base);
  const isLinked =
    statSync(join(copy, "lib", "libpq.so.5.18")).ino ===
    statSync(join(installed.native, "lib", "libpq.so.5.18")).ino;
  const text = readFileSync(join(copy, "lib", "libpq.so"), "utf8");
  rmSync(base, { recursive: true, force: true });
  expect({ isLinked, text, again }).toEqual({
    isLinked: other === undefined,
    text: "library of 1.0.0",
    again: copy,
  });
});

test("a whole copy is used again, a damaged one is replaced", () => {
  const copy = ensureCopy(installed, base);
  const made = statSync(copy).ino;
  expect(ensureCopy(installed, base)).toBe(copy);
  expect(statSync(copy).ino).toBe(made);
  const damages = [
    () => rmSync(join(copy, "lib", "libpq.so")),
    () => rmSync(join(copy, "share", "postgres.bki")),
    () => writeFileSync(join(copy, "share", "postgres.bki"), "cut"),
    () => chmodSync(join(copy, "share", "postgres.bki"), 0o600),
  ];
  for (const damage of damages) {
    damage();
    expect(ensureCopy(installed, base)).toBe(copy);
    expect(readFileSync(join(copy, "share", "postgres.bki"), "utf8")).toBe("private");
    expect(readFileSync(join(copy, "lib", "libpq.so"), "utf8")).toBe("library of 1.0.0");
  }
  expect(readdirSync(base)).toEqual([basename(dirname(copy))]);
});

test("starts at the same moment share one copy", async () => {
  const module = new URL("../../src/embedded-postgres/copy.ts", import.meta.url).href;
  const program = `const { ensureCopy } = await import(${JSON.stringify(module)});
    console.log(ensureCopy(JSON.parse(process.argv[1]), process.argv[2]));`;
  const run = promisify(execFile);
  const arguments_ = ["--input-type=module", "-e", program, JSON.stringify(installed), base];
  const starts = await Promise.all(
    Array.from({ length: 4 }, () => run(process.execPath, arguments_)),
  );
  expect(new Set(starts.map(({ stdout }) => stdout)).size).toBe(1);
  expect(readdirSync(base)).toHaveLength(1);
});

test("the copy of another version is removed, once no process runs from it, and so is a dead process's draft", async (context) => {
  const old = ensureCopy(installed, base);
  const running = spawn(join(old, "bin", "postgres"), ["60"], { stdio: "ignore" });
  context.onTestFinished(() => void running.kill("SIGKILL"));
  await once(running, "spawn");
  const gone = spawn("true");
  await once(gone, "exit");
  mkdirSync(join(base, `postgres-1.0.0-0123456789ab.${gone.pid}-01234567`));
  const updated = install("1.1.0");
  const copy = ensureCopy(updated, base);
  const names = (): string[] => readdirSync(base).toSorted();
  const both = [old, copy].map((native) => basename(dirname(native))).toSorted();
  expect(names()).toEqual(both);
  running.kill("SIGKILL");
  await once(running, "exit");
  ensureCopy(updated, base);
  // Without /proc, whether it still runs can't be known.
  expect(names()).toEqual(existsSync("/proc/self/exe") ? [basename(dirname(copy))] : both);
});

test("a place that others could have prepared is refused", () => {
  const elsewhere = join(root, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, base);
  expect(() => ensureCopy(installed, base)).toThrow("is not a directory of this user");
  if (process.getuid?.() === 0) {
    chownSync(elsewhere, 65_534, 65_534);
    expect(() => ensureCopy(installed, elsewhere)).toThrow("is not a directory of this");
  }
  expect(readdirSync(elsewhere)).toEqual([]);
});
