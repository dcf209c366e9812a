import { spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { LAST_RESORT } from "../../../src/runtime/process/fatal-errors.ts";
import { gatewayEnvironment } from "../../support/gateway-environment.ts";
import { takeLastResorts, useGatewayProcesses } from "../../support/gateway-process.ts";

const processes = useGatewayProcesses();
vi.setConfig({ testTimeout: 60_000 });

/** Plants a bug in a program: it happens when the signal comes. */
function plant(bug: string): Record<string, string> {
  const program = `process.on("SIGUSR2", () => { ${bug} })`;
  return {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}`,
    // Waits for a database, which is as good as any time.
    ...gatewayEnvironment("postgres://u@127.0.0.1:1/x"),
  };
}

describe("an error that is handled nowhere ends the process with one fatal line", () => {
  test.for([
    ["thrown outside of a promise", `throw new Error("planted")`, "uncaughtException"],
    ["a rejection", `Promise.reject(new Error("planted"))`, "unhandledRejection"],
  ])(
    "an unhandled error ends the process with one fatal line: %s",
    async ([, bug = "", origin], context) => {
      const started = processes.run(context, plant(bug));
      await started.logged("database not ready, waiting");
      started.kill("SIGUSR2");
      expect((await started.exit).code).toBe(1);
      const [line, ...more] = takeLastResorts();
      expect(more).toEqual([]);
      expect(JSON.parse(line ?? "")).toMatchObject({
        level: "fatal",
        msg: LAST_RESORT,
        origin,
        err: { message: "planted" },
      });
    },
  );
});

describe("output that can't be written is lost, and nothing else", () => {
  const log = JSON.stringify(resolve(import.meta.dirname, "../../../src/runtime/process/log.ts"));
  const lastResort = JSON.stringify(
    resolve(import.meta.dirname, "../../../src/runtime/process/fatal-errors.ts"),
  );

  test.each(["json", "pretty"])(
    "output that can't be written is lost, and nothing else: a %s log and a banner",
    (format) => {
      const program = `
      import { createLog } from ${log};
      import { surviveLostOutput } from ${lastResort};
      surviveLostOutput();
      const log = createLog({ level: "info", format: "${format}" });
      for (let line = 0; line < 3; line += 1) log.info("a line");
      process.stdout.write("a banner");
      setTimeout(() => process.exit(7), 100);`;
      const child = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
        encoding: "utf8",
        // Writing to it fails, as on a full disk.
        stdio: ["ignore", openSync("/dev/null", "r"), "pipe"],
      });
      expect(child.stderr).toBe("");
      expect(child.status).toBe(7);
    },
  );
});
