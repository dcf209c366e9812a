import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

/* A command of a user runs where there is no gateway, on an older Node, and at once. */

const SRC = resolve(import.meta.dirname, "../../src");
/** An `import()` does not match: it is loaded only when it runs. */
const STATIC_IMPORT = /^(?:import|export)\s(?!type\s)(?:[^"';]*\sfrom\s)?["']([^"']+)["']/gm;

/** Everything that is loaded before any command is run. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(STATIC_IMPORT)) {
    if (specifier.startsWith(".")) loadedBy(join(dirname(file), specifier), seen);
    else seen.add(specifier);
  }
  return seen;
}

test("the command line loads nothing of the gateway before a command needs it", () => {
  // The program loads the command line by an `import()`, and for every command.
  const files = loadedBy(join(SRC, "cli/program.ts"), loadedBy(join(SRC, "main.ts")));
  const loaded = [...files].map((file) => (file.startsWith("/") ? relative(SRC, file) : file));
  expect(loaded).toContain("client/client.ts");
  const packages = loaded.filter((name) => !name.endsWith(".ts") && !name.startsWith("node:"));
  expect(packages.sort()).toEqual(["commander", "standardwebhooks"]);
  const others = loaded.filter((name) => {
    const [place = ""] = name.split("/");
    return name.endsWith(".ts") && !ALLOWED.includes(place);
  });
  expect(others).toEqual([]);
  expect(loaded.filter((name) => name.startsWith("runtime/")).sort()).toEqual([
    "runtime/loopback-host.ts",
    "runtime/process/fatal-errors.ts",
    "runtime/process/module-loading.ts",
  ]);
});

const ALLOWED: readonly string[] = [
  "cli",
  "client",
  "core",
  "main.ts",
  "receiver",
  "runtime",
  "testing",
];
