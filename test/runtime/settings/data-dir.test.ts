import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  makeDataDir,
  whyRefused,
  writeApiKeyFile,
} from "../../../src/runtime/settings/data-dir.ts";
import { encryptionKeys } from "../../../src/runtime/settings/encryption-keys.ts";
import { canMount, mountMemory } from "../../support/mounts.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "ringback-data-dir-"));
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

test("a data directory is made with its parents, and found again by another start", async () => {
  const path = join(home, "a", "b", "c");
  await makeDataDir(path);
  await makeDataDir(path);
  expect(statSync(path).isDirectory()).toBe(true);
});

describe("a data directory that can't be used is refused with the reason and what is valid", () => {
  test("a path with a file in it", async () => {
    writeFileSync(join(home, "file"), "");
    for (const path of [join(home, "file"), join(home, "file", "below")]) {
      await expect(makeDataDir(path)).rejects.toThrow(
        `DATA_DIR ${path} can't be used (it, or a part of its path, is not a folder); valid: a folder`,
      );
    }
  });

  test.runIf(process.platform === "linux")("a folder where none can be made", async () => {
    await expect(makeDataDir("/proc/ringback/data")).rejects.toThrow(/\/proc\/ringback.*; valid: /);
  });

  test.runIf(canMount)("a file system that is read-only", async () => {
    const directory = mountMemory("ro");
    for (const path of [directory, join(directory, "data"), join(directory, "a", "b")]) {
      await expect(makeDataDir(path)).rejects.toThrow(
        `DATA_DIR ${path} can't be used (its file system is read-only); valid: a folder`,
      );
    }
  });
});

// Root is refused by no mode of a file, so errors take the place of a file system here.
test.each([
  ["EACCES", /^the user that runs Ringback \(uid \d+\) may not write there$/],
  ["EPERM", /^the user that runs Ringback \(uid \d+\) may not write there$/],
  ["EROFS", /^its file system is read-only$/],
  ["ENOSPC", /^its disk is full$/],
  ["EDQUOT", /^its user's disk quota is used up$/],
  ["EEXIST", /^it, or a part of its path, is not a folder$/],
  ["ENOTDIR", /^it, or a part of its path, is not a folder$/],
  ["EIO", /^the file system's own words$/],
])("the reason of %s is given in words", (code, words) => {
  const error = Object.assign(new Error("the file system's own words"), { code });
  expect(whyRefused(error)).toMatch(words);
});

describe.runIf(canMount)("a full disk", () => {
  /** No byte is free, but directories and empty files can still be made. */
  function fullDisk(): string {
    const directory = mountMemory("size=16k,mode=755");
    expect(() => writeFileSync(join(directory, "fill"), Buffer.alloc(20_000))).toThrow("ENOSPC");
    return directory;
  }

  test("a full disk leaves no broken encryption key behind, so that the next start has one", async () => {
    const dataDir = fullDisk();
    const settings = { encryptionKeys: null, dataDir };
    await expect(encryptionKeys(settings)).rejects.toThrow(
      /encryption key can't be kept in .*encryption\.key \(its disk is full\)/,
    );
    expect(readdirSync(dataDir)).toEqual(["fill"]);
    rmSync(join(dataDir, "fill"));
    const [key] = await encryptionKeys(settings);
    expect(key).toHaveLength(32);
    expect(await encryptionKeys(settings)).toEqual([key]);
    expect(readdirSync(dataDir)).toEqual(["encryption.key"]);
    expect(statSync(join(dataDir, "encryption.key")).mode & 0o777).toBe(0o600);
  });

  test("a full disk is the reason why the first API key can't be kept", async () => {
    await expect(writeApiKeyFile(fullDisk(), "rb_key")).rejects.toThrow(
      /can't be kept in .* \(its disk is full\)/,
    );
  });
});

test("two starts at the same moment have the same encryption key", async () => {
  const settings = { encryptionKeys: null, dataDir: join(home, "data") };
  const [first, second] = await Promise.all([encryptionKeys(settings), encryptionKeys(settings)]);
  expect(first).toEqual(second);
});
