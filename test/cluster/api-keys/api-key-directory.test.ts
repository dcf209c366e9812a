import { expect, test } from "vitest";
import { ApiKeyDirectory } from "../../../src/cluster/api-keys/api-key-directory.ts";
import type { KnownApiKey } from "../../../src/store/projects/api-keys.ts";
import { SlowDatabase } from "../../lanes/shares/contests/slow-database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testRuntime } from "../../support/runtime.ts";

const KEYS_MAX = 50_000;

function directory(): ApiKeyDirectory {
  const database = new SlowDatabase();
  return new ApiKeyDirectory(testRuntime({ clock: new FakeClock() }), {
    run: () => database.run(),
    transaction: () => database.transaction(),
    within: () => database,
  });
}

function key(projectId: string, number: number): KnownApiKey {
  const keyHash = `${projectId} ${number}`;
  return {
    id: keyHash,
    projectId,
    name: "key",
    keyHash,
    scopes: ["admin"],
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
  };
}

test("a project that makes more keys than there is room for pushes out its own, and no other's", () => {
  const keys = directory();
  keys.take(key("quiet", 1));
  for (let number = 0; number < KEYS_MAX + 100; number += 1) keys.take(key("loud", number));
  expect(keys.find("quiet 1")).not.toBeNull();
  expect(keys.find("loud 0")).toBeNull();
  expect(keys.find(`loud ${KEYS_MAX + 99}`)).not.toBeNull();
});
