import { expect, test } from "vitest";
import { canBeHungUp } from "../../../src/runtime/process/hangup.ts";

const status = (ignored: string): string =>
  `Name:\tnode\nSigBlk:\t0000000000000001\nSigIgn:\t${ignored}\nSigCgt:\t0000000108004603\n`;

test.each([
  ["no signal is ignored", status("0000000000000000"), true],
  ["other signals are ignored, as Node does with SIGPIPE", status("0000000000001000"), true],
  ["SIGHUP is ignored", status("0000000000001001"), false],
  ["nothing is known", "", false],
])("a hangup stops the process in order or not: %s", (_, text, expected) => {
  expect(canBeHungUp(text)).toBe(expected);
});
