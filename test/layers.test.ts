import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { expect, test } from "vitest";

/*
 * The picture of the project: a file imports from its own place or from layers below it, never from
 * beside or above. docs/architecture.md shows it.
 */

/** From the top. A place is a folder of `src/` or a file directly in it. */
const LAYERS = [
  ["bin.ts"],
  ["main.ts"],
  ["cli"],
  ["testing"],
  ["client"],
  ["receiver"],
  ["gateway"],
  ["console"],
  ["api", "sandbox", "via"],
  ["cluster"],
  ["intake"],
  ["polling"],
  ["delivery"],
  ["config.ts"],
  ["embedded-postgres"],
  ["store", "outbound", "providers"],
  ["lanes"],
  ["runtime"],
  ["core"],
];

/**
 * Imported by other people's programs, wherever they run. It uses the server's types, and runs only
 * pure functions of the core.
 */
const PUBLISHED = ["testing", "client", "receiver"];

/** Settings reach every other place as arguments. */
const READERS_OF_CONFIG = ["main.ts", "cli", "gateway"];

/** Packages with a home: imported nowhere else. A name covers its subpaths. */
const HOMES_OF_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "drizzle-orm": ["store"],
  postgres: ["store"],
  "embedded-postgres": ["embedded-postgres"],
  undici: ["outbound"],
  hono: ["api", "console", "sandbox"],
  "@hono/node-server": ["api"],
  "@hono/zod-openapi": ["api"],
};

const SRC = resolve(import.meta.dirname, "../src");

/** Imports and exports of types only, which are gone at run time. */
const TYPES_ONLY = /\b(?:import|export)\s+type\s*[{*][^"']*["'][^"'\n]+["'];?/g;

/** Import and export declarations, `import()` of values and of types, imports for their effects. */
const SPECIFIER = /\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g;

test("every file of src imports only from its own place or from below it", () => {
  const sources = readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.replaceAll("\\", "/"));
  expect(sources.length).toBeGreaterThan(100);
  expect(
    sources.flatMap((file) => breachesIn(file, readFileSync(join(SRC, file), "utf8"))),
  ).toEqual([]);
});

test("no imports of src lead back to the file that they began in", () => {
  const sources = readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.replaceAll("\\", "/"));
  const imports = sources.map((file) => [
    file,
    importedBy(file, readFileSync(join(SRC, file), "utf8")),
  ]);
  expect(circlesOf(Object.fromEntries(imports))).toEqual([]);
});

test("a circle of imports is found however long it is, and branches that meet are none", () => {
  expect(circlesOf({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] })).toEqual([]);
  expect(circlesOf({ a: ["b"], b: ["c"], c: ["b"] })).toEqual(["b → c → b"]);
  expect(importedBy("x/a.ts", 'import type { B } from "../y/b.ts";\nimport "zod";')).toEqual([
    "y/b.ts",
  ]);
});

test("every file and folder of src has a place in the layers, and every place exists", () => {
  expect(readdirSync(SRC).sort()).toEqual(LAYERS.flat().sort());
});

test("the picture in docs/architecture.md shows the layers of this test, in the same order", () => {
  const page = readFileSync(resolve(SRC, "../docs/architecture.md"), "utf8");
  const [, picture = ""] = page.split(/^## Layers$[^`]*^```$/m);
  const [lines = ""] = picture.split(/^```$/m);
  const pictured = lines
    .trim()
    .split("\n")
    .map((line) => (line.split(/ {2,}/)[0] ?? "").split(" "));
  expect(pictured).toEqual(LAYERS);
});

test.each([
  ["for its type", `import type { App } from "../api/app.ts";`],
  ["over several lines", `import {\n  type App,\n} from "../api/app.ts";`],
  ["as a re-export", `export { app } from "../api/app.ts";`],
  ["as a re-export of everything", `export * from "../api/app.ts";`],
  ["as a dynamic import", `export const app = await import("../api/app.ts");`],
  ["for its effects", `import "../api/app.ts";`],
  ["by a detour", `import "./../api/app.ts";`],
  ["by way of src", `import "../../src/api/app.ts";`],
  ["as the type of an import", `export type A = import("../api/app.ts").App;`],
])("polling importing from the api is a breach when it is written %s", (_, code) => {
  expect(breachesIn("polling/planted.ts", code)).toHaveLength(1);
  expect(breachesIn("polling/deep/planted.ts", code.replace("../", "../../"))).toHaveLength(1);
});

test.each([
  ["a layer above", "store/planted.ts", "../cluster/shards/sweep.ts"],
  ["the settings from below the gateway's parts", "store/planted.ts", "../config.ts"],
  ["a test", "store/planted.ts", "../../test/support/fake-clock.ts"],
  ["a package outside of its home", "api/planted.ts", "drizzle-orm/pg-core"],
  ["a package in the core", "core/planted.ts", "zod"],
  ["Node in the core", "core/planted.ts", "node:crypto"],
  ["the server in published code", "receiver/planted.ts", "../api/http/response-schemas.ts"],
  ["its runtime in published code", "receiver/planted.ts", "../runtime/clock.ts"],
  ["Node in published code", "receiver/planted.ts", "node:crypto"],
  ["a package of the server's in published code", "receiver/planted.ts", "zod"],
])("importing %s is a breach", (_, file, specifier) => {
  expect(breachesIn(file, `import "${specifier}";`)).toHaveLength(1);
});

test.each([
  ["api/planted.ts", "../store/database.ts"],
  ["api/planted.ts", "./route.ts"],
  ["api/deep/planted.ts", "../route.ts"],
  ["store/planted.ts", "drizzle-orm/pg-core"],
  ["runtime/planted.ts", "node:crypto"],
  ["gateway/planted.ts", "../config.ts"],
  ["receiver/planted.ts", "../core/json/raw-json.ts"],
  ["receiver/planted.ts", "standardwebhooks"],
  ["testing/planted.ts", "../receiver/event.ts"],
])("%s may import %s", (file, specifier) => {
  expect(breachesIn(file, `import "${specifier}";`)).toEqual([]);
});

test.each([
  `import type { z } from "zod";`,
  `import type { eventSchema } from "../api/http/response-schemas.ts";`,
  `export type {\n  Scope,\n} from "../store/schema/schema.ts";`,
])("published code may import for types only: %s", (code) => {
  expect(breachesIn("receiver/planted.ts", code)).toEqual([]);
  expect(breachesIn("receiver/planted.ts", code.replace(" type", ""))).toHaveLength(1);
});

/** The files of `src/` that a file of it imports, also for their types only. */
function importedBy(file: string, text: string): string[] {
  return [...text.matchAll(SPECIFIER)]
    .map(([, specifier = ""]) => specifier)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => posix.join(dirname(file), specifier));
}

/** One path for each import that closes a circle. */
function circlesOf(imports: Readonly<Record<string, readonly string[]>>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const from = path.indexOf(file);
    if (from !== -1) circles.push([...path.slice(from), file].join(" → "));
    if (from !== -1 || done.has(file)) return;
    for (const imported of imports[file] ?? []) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of Object.keys(imports)) visit(file, []);
  return circles;
}

/** @param file its path below `src/` */
function breachesIn(file: string, text: string): string[] {
  const source = PUBLISHED.includes(placeOf(file)) ? text.replaceAll(TYPES_ONLY, "") : text;
  return [...source.matchAll(SPECIFIER)]
    .map(([, specifier = ""]) => specifier)
    .filter((specifier) => !mayImport(file, specifier))
    .map((specifier) => `${file} imports ${specifier}`);
}

function mayImport(file: string, specifier: string): boolean {
  const from = placeOf(file);
  if (PUBLISHED.includes(from)) return mayBePublished(file, specifier);
  if (!specifier.startsWith(".")) return from !== "core" && isAtHome(from, specifier);
  const target = posix.join("src", dirname(file), specifier);
  if (!target.startsWith("src/")) return isData(target) && from !== "core";
  const to = placeOf(posix.relative("src", target));
  if (from === to) return true;
  if (to === "config.ts") return READERS_OF_CONFIG.includes(from);
  return layerOf(to) > layerOf(from);
}

/** Whether a file that other programs run may run this. */
function mayBePublished(file: string, specifier: string): boolean {
  if (!specifier.startsWith(".")) return specifier === "standardwebhooks";
  const from = placeOf(file);
  const to = placeOf(posix.relative("src", posix.join("src", dirname(file), specifier)));
  return from === to || to === "core" || (PUBLISHED.includes(to) && layerOf(to) > layerOf(from));
}

/** Such as `package.json`, which is no code. */
function isData(target: string): boolean {
  return target.endsWith(".json");
}

function isAtHome(place: string, specifier: string): boolean {
  const home = Object.entries(HOMES_OF_PACKAGES).find(
    ([name]) => specifier === name || specifier.startsWith(`${name}/`),
  );
  return home === undefined || home[1].includes(place);
}

/** The folder of `src/` that a file is in, or the file itself. */
function placeOf(file: string): string {
  return file.split("/")[0] ?? "";
}

function layerOf(place: string): number {
  return LAYERS.findIndex((layer) => layer.includes(place));
}
