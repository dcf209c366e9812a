import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;
const SCHEMA = source("store/schema/schema.ts");

/** Imports of the schema, and of all it imports, that Node resolves in a process of its own. */
async function resolvedByNode(): Promise<string[]> {
  const program = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({
      resolve(specifier, context, next) {
        seen.push(specifier);
        return next(specifier, context);
      },
    });
    const { resolveImportsOnce } = await import(${JSON.stringify(source("runtime/process/module-loading.ts"))});
    resolveImportsOnce();
    const { jobs } = await import(${JSON.stringify(SCHEMA)});
    if (jobs.jobId.name !== "job_id") throw new Error("not the package that the schema is made with");
    process.stdout.write(JSON.stringify(seen));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
  });
  return JSON.parse(stdout) as string[];
}

test("Node resolves each package once, and nothing within the program or drizzle-orm", async () => {
  const resolved = await resolvedByNode();
  const outside = resolved.slice(resolved.indexOf(SCHEMA) + 1);
  const packages = outside.filter((specifier) => !specifier.startsWith("node:"));
  expect(packages.sort()).toEqual(["drizzle-orm", "drizzle-orm/pg-core"]);
});
