import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  isProvenDead,
  ownIdentity,
  type ProcessIdentity,
} from "../../../src/runtime/process/process-identity.ts";

const identityModule = new URL("../../../src/runtime/process/process-identity.ts", import.meta.url)
  .href;
const own = ownIdentity();

test("a process knows itself, and never takes itself for dead", () => {
  expect(own.pid).toBe(process.pid);
  expect(isProvenDead(own, own)).toBe(false);
});

// Elsewhere nothing can be proven, and leases run out.
describe.runIf(existsSync("/proc/self/stat"))("where the kernel lists processes", () => {
  async function child(): Promise<{ identity: ProcessIdentity; kill: () => Promise<unknown> }> {
    const script = `
      const { ownIdentity } = await import(${JSON.stringify(identityModule)});
      console.log(JSON.stringify(ownIdentity()));
      setInterval(() => {}, 1000);`;
    const running = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(running.stdout.setEncoding("utf8"), "data")) as [string];
    const exited = once(running, "exit");
    return {
      identity: JSON.parse(line) as ProcessIdentity,
      kill() {
        running.kill("SIGKILL");
        return exited;
      },
    };
  }

  test("where the kernel shows processes, another process is alive until it is killed", async () => {
    const { identity, kill } = await child();
    expect(identity).toMatchObject({ host: own.host, machine: own.machine });
    expect(isProvenDead(identity, own)).toBe(false);
    await kill();
    expect(isProvenDead(identity, own)).toBe(true);
  });

  test("a process whose number was reused is dead", () => {
    expect(isProvenDead({ ...own, pidStart: "1" }, own)).toBe(true);
  });

  test("a process on another machine, in another container or from another boot is not judged", () => {
    const [, ...rest] = (own.machine ?? "").split(" ");
    const gone = { ...own, pid: 4_194_304, pidStart: "1" };
    expect(isProvenDead(gone, own)).toBe(true);
    expect(isProvenDead({ ...gone, machine: `another-boot ${rest.join(" ")}` }, own)).toBe(false);
    expect(isProvenDead({ ...gone, machine: null }, own)).toBe(false);
    expect(isProvenDead({ ...gone, pidStart: null }, own)).toBe(false);
    expect(isProvenDead(gone, { ...own, machine: null })).toBe(false);
    expect(own.machine).toContain(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    expect(own.machine).toContain("pid:[");
  });
});
