/*
 * Generates clients from the document that the gateway serves: TypeScript, Python (openapi-python-client)
 * and Go (oapi-codegen). Says which of them the machine lacks; fails when one that is there gives a warning.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { startTemporaryGateway } from "../../src/sandbox/temporary-gateway.ts";
import { requestOfReadme } from "./readme-request.ts";
import { checkTypeScriptClients } from "./typescript.ts";

const run = promisify(execFile);
const STARTED_WITHIN_MS = 120_000;
const OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2";

/** Lacking on this machine, or what was printed that is not good news. */
type Finding =
  | { readonly kind: "lacking"; readonly what: string }
  | { readonly kind: "ran"; readonly warnings: string };

async function checkPython(document: string, folder: string): Promise<Finding> {
  const program = "openapi-python-client";
  if (!(await isThere(program, ["--version"]))) {
    return { kind: "lacking", what: `${program} (pip install ${program})` };
  }
  const output = join(folder, "python");
  const { stdout, stderr } = await run(program, [
    "generate",
    `--path=${document}`,
    `--output-path=${output}`,
    "--meta=none",
  ]);
  await run("python3", ["-m", "compileall", "-q", output]);
  // Without its formatter it only mentions that.
  const warnings = `${stdout}${stderr}`.replaceAll(
    /Skipping Integration\s+ruff is not in PATH/g,
    "",
  );
  return { kind: "ran", warnings: /WARNING|ERROR|omitted/.test(warnings) ? warnings : "" };
}

async function checkGo(document: string, folder: string): Promise<Finding> {
  if (!(await isThere("go", ["version"]))) return { kind: "lacking", what: "go" };
  const cwd = join(folder, "go");
  mkdirSync(cwd);
  await run("go", ["mod", "init", "example.test/ringback"], { cwd });
  const { stdout, stderr } = await run(
    "go",
    [
      "run",
      OAPI_CODEGEN,
      "-generate",
      "types,client",
      "-package",
      "ringback",
      "-o",
      "client.go",
      document,
    ],
    { cwd },
  );
  await run("go", ["mod", "tidy"], { cwd });
  await run("go", ["vet", "."], { cwd });
  const isWarning = /warn|error/i.test(stdout + stderr.replaceAll(/^go: downloading.*$/gm, ""));
  return { kind: "ran", warnings: isWarning ? stdout + stderr : "" };
}

function isThere(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}

async function checkTypeScript(document: string, folder: string): Promise<Finding> {
  const into = join(folder, "typescript");
  mkdirSync(into);
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  const warnings = await checkTypeScriptClients(document, into, requestOfReadme(readme));
  return { kind: "ran", warnings };
}

const gateway = await startTemporaryGateway({
  env: process.env,
  isReady: (url) =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  signal: AbortSignal.timeout(STARTED_WITHIN_MS),
});
const folder = mkdtempSync(join(tmpdir(), "ringback-clients-"));
try {
  const document = join(folder, "openapi.json");
  writeFileSync(document, await (await fetch(`${gateway.url}/openapi.json`)).text());
  const checks = { TypeScript: checkTypeScript, Python: checkPython, Go: checkGo };
  for (const [language, check] of Object.entries(checks)) {
    const finding = await check(document, folder);
    if (finding.kind === "lacking")
      process.stdout.write(`${language}: not checked, this machine lacks ${finding.what}\n`);
    else if (finding.warnings === "") process.stdout.write(`${language}: ok\n`);
    else {
      process.stderr.write(`${language}:\n${finding.warnings}\n`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  await gateway.stop();
}
