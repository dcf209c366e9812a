import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ID_PREFIXES,
  type IdKind,
  parsePublicId,
  publicId,
  shardOfUuid,
  uuidV7,
  fairShare,
  SHARD_COUNT,
  shardOfJob,
} from "../../../src/core/ids/ids.ts";

const anyTime = fc.integer({ min: 0, max: 2 ** 47 });
const anyShard = fc.integer({ min: 0, max: 255 });
const anyRandom = fc.uint8Array({ minLength: 8, maxLength: 8 });

test("an id is a UUIDv7 whose rand_a bits carry the shard", () => {
  fc.assert(
    fc.property(anyTime, anyShard, anyRandom, (nowMs, shard, random) => {
      const uuid = uuidV7(nowMs, shard, random);
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16)).toBe(nowMs);
      expect(shardOfUuid(uuid)).toBe(shard);
    }),
  );
});

test("ids sort by the time they were made, whatever their shard", () => {
  fc.assert(
    fc.property(
      fc.tuple(anyTime, anyTime).filter(([a, b]) => a !== b),
      anyShard,
      anyShard,
      ([a, b], shardA, shardB) => {
        const first = uuidV7(a, shardA, randomBytes(8));
        const second = uuidV7(b, shardB, randomBytes(8));
        expect(first < second).toBe(a < b);
      },
    ),
  );
});

test("a public id leads back to its UUID, and only under its own prefix", () => {
  const kinds = Object.keys(ID_PREFIXES) as IdKind[];
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.constantFrom(...kinds),
      anyShard,
      (kind, other, shard) => {
        const uuid = uuidV7(1_767_225_600_000, shard, randomBytes(8));
        const id = publicId(kind, uuid);
        expect(parsePublicId(other, id)).toBe(kind === other ? uuid : null);
      },
    ),
  );
});

test("no other text is taken for an id", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parsePublicId("subscription", text)).toBeNull();
      expect(parsePublicId("subscription", `sub_${text}`)).toBeNull();
    }),
  );
});

test("the shard of a job never changes", () => {
  expect(shardOfJob("c0ffee", "abc123-def456")).toBe(19);
  expect(shardOfJob("c0ffee", "abc123-def457")).toBe(239);
});

test("jobs spread evenly over the shards", () => {
  const counts = Array.from({ length: SHARD_COUNT }, () => 0);
  for (let job = 0; job < 256_000; job += 1) {
    const shard = shardOfJob("019ab000-0000-7000-8000-000000000000", `job-${job}`);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(800);
  expect(Math.max(...counts)).toBeLessThan(1200);
});

test("fair shares cover all shards, and no node's is more than one above another's need", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (nodes) => {
      expect(fairShare(nodes) * nodes).toBeGreaterThanOrEqual(SHARD_COUNT);
      expect((fairShare(nodes) - 1) * nodes).toBeLessThan(SHARD_COUNT);
    }),
  );
});
