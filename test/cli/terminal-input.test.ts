import { PassThrough, Writable } from "node:stream";
import { expect, test } from "vitest";
import { readHidden } from "../../src/cli/frame/terminal-input.ts";

test("a terminal shows nothing of what is typed from the moment that the question can be seen", async () => {
  let isRaw = false;
  const stdin = Object.assign(new PassThrough(), {
    setRawMode: (wish: boolean) => (isRaw = wish),
  });
  const shown: { text: string; isRaw: boolean }[] = [];
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      shown.push({ text: String(chunk), isRaw });
      done();
    },
  });
  stdin.write("secret\r");
  const line = readHidden({ stdin, stderr }, "Key: ", new AbortController().signal);
  expect(await line).toBe("secret");
  expect(shown).toEqual([
    { text: "Key: ", isRaw: true },
    { text: "\n", isRaw: false },
  ]);
});
