import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runCli } from "./support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "ringback-test-guide-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const guide = readFileSync(new URL("../docs/providers.md", import.meta.url), "utf8");
/** The fenced blocks of the section, in order. */
const [definition = "", answer = "", session = ""] = guide
  .slice(guide.indexOf("## Write one in ten minutes"), guide.indexOf("## Try it"))
  .matchAll(/```\w*\n(.*?)```/gs)
  .map(([, block]) => block ?? "");

test("the guide's example does what the guide shows", async () => {
  const [definitionFile, answerFile] = [join(folder, "folio.json"), join(folder, "answer.json")];
  writeFileSync(definitionFile, definition);
  writeFileSync(answerFile, answer);
  const { code, stdout } = await runCli(["try", definitionFile, answerFile]);
  expect(`$ npm run provider:try -- folio.json answer.json\n${stdout}`).toBe(session);
  expect(code).toBe(0);
});
