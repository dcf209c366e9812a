import { expect, test } from "vitest";
import { DatabaseHealth } from "../../../src/store/db/database-health.ts";
import { DatabaseAwayError } from "../../../src/store/db/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function setUp() {
  const clock = new FakeClock();
  const health = new DatabaseHealth(clock);
  const heard: string[] = [];
  health.onSuspicion = () => heard.push("suspicion");
  health.onRecovery = () => heard.push("recovery");
  return { clock, health, heard };
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const failed = (code: string, beganAt = 0) =>
  ({ kind: "failed", error: failure(code), beganAt }) as const;

test("a probe that fails opens the breaker, the next one that succeeds closes it", () => {
  const { health, heard } = setUp();
  expect(health.condition).toBe("ok");
  health.probed(failed("ECONNREFUSED"));
  expect(health.condition).toBe("unreachable");
  expect(() => health.requireWritable()).toThrow(DatabaseAwayError);
  health.probed({ kind: "writable" });
  expect(health.condition).toBe("ok");
  expect(() => health.requireWritable()).not.toThrow();
  expect(heard).toEqual(["recovery"]);
});

test("any call that is answered closes it too", () => {
  const { health, heard } = setUp();
  health.probed(failed("CONNECT_TIMEOUT"));
  health.callSucceeded();
  expect(health.condition).toBe("ok");
  expect(heard).toEqual(["recovery"]);
});

test("a call whose connection is lost asks for a probe, but opens nothing by itself", () => {
  const { health, heard } = setUp();
  health.callFailed(new Error("wrapped", { cause: failure("ECONNRESET") }));
  health.callFailed(failure("23505"));
  expect(health.condition).toBe("ok");
  expect(heard).toEqual(["suspicion"]);
  health.probed(failed("ECONNREFUSED"));
  health.callFailed(failure("ECONNREFUSED"));
  expect(heard).toEqual(["suspicion"]);
});

test("a probe that gets no connection while calls are answered does not open it", () => {
  const { clock, health } = setUp();
  health.callSucceeded();
  clock.advance(1_000);
  health.probed(failed("53300", clock.monotonic()));
  expect(health.condition).toBe("ok");
  clock.advance(10_000);
  health.probed(failed("53300", clock.monotonic()));
  expect(health.condition).toBe("unreachable");
});

test("a probe that is late on a busy machine does not open it while calls are answered", () => {
  const { clock, health } = setUp();
  const beganAt = clock.monotonic();
  clock.advance(1_500);
  health.callSucceeded();
  clock.advance(500);
  health.probed(failed("CONNECT_TIMEOUT", beganAt));
  expect(health.condition).toBe("ok");
  health.probed(failed("CONNECT_TIMEOUT", clock.monotonic()));
  expect(health.condition).toBe("unreachable");
});

test("a standby is read-only until a probe finds a server that can be written to", () => {
  const { health } = setUp();
  health.probed({ kind: "read_only" });
  expect(health.condition).toBe("read_only");
  health.probed({ kind: "writable" });
  expect(health.condition).toBe("ok");
});

test("the reason for a refused call holds for some seconds, whatever a probe says", () => {
  const { clock, health } = setUp();
  health.callFailed(failure("25006"));
  health.probed({ kind: "writable" });
  expect(health.condition).toBe("read_only");
  clock.advance(6_000);
  expect(health.condition).toBe("ok");
});

test("a full disk is full until something was written to it, and no call failed lately", () => {
  const { clock, health } = setUp();
  health.callFailed(new Error("wrapped", { cause: failure("53100") }));
  health.probedDisk(true);
  expect(health.condition).toBe("full");
  clock.advance(60_000);
  expect(health.condition).toBe("full");
  health.probedDisk(false);
  expect(health.condition).toBe("full");
  health.probedDisk(true);
  expect(health.condition).toBe("ok");
  health.probedDisk(false);
  expect(health.condition).toBe("full");
});
