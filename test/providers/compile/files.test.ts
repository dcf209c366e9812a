import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readDefinitionFiles } from "../../../src/providers/compile/files.ts";
import { exampleSource } from "../example-provider.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringback-test-definitions-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, content: object | string | Buffer): void {
  const isText = typeof content === "string" || Buffer.isBuffer(content);
  writeFileSync(join(folder, file), isText ? content : JSON.stringify(content));
}

const judge = (url: string) => (url.includes("internal") ? "not a public name" : null);
const read = () => readDefinitionFiles(folder, judge);

test("each file of a folder is a definition; other files and folders are left alone", async () => {
  write("b.json", { ...exampleSource, name: "b" });
  write("a.json", { ...exampleSource, name: "a" });
  write("README.md", "about these");
  write(".a.json.swp", "half an edit");
  mkdirSync(join(folder, "old"));
  writeFileSync(join(folder, "old", "c.json"), "{}");
  const { definitions, problems } = await read();
  expect(problems).toEqual([]);
  expect(definitions.map(({ file, provider }) => [file, provider.name])).toEqual([
    ["a.json", "a"],
    ["b.json", "b"],
  ]);
  expect(definitions[0]?.written).toEqual({ ...exampleSource, name: "a" });
});

test("a file may be a link, as those that are mounted into a container are", async () => {
  mkdirSync(join(folder, "..data"));
  writeFileSync(join(folder, "..data", "a.json"), JSON.stringify(exampleSource));
  symlinkSync(join("..data", "a.json"), join(folder, "a.json"));
  expect((await read()).definitions).toHaveLength(1);
});

test("everything that is wrong is told at once, by file and place", async () => {
  write("1-good.json", exampleSource);
  write("2-rules.json", { ...exampleSource, name: "two", rules: [], retries: 1 });
  write("3-name.json", exampleSource);
  write("4-hosts.json", {
    ...exampleSource,
    name: "four",
    base_url: "https://metadata.google.internal",
    allowed_hosts: ["ok.example.com", "*.internal.example.com"],
    result: {
      kind: "request",
      request: { url_at: ["/url"], credential: false, hosts: ["a.internal.example.com"] },
    },
  });
  write("5-json.json", '{"name": "five",\n  "title" "Five"}');
  write("6-bytes.json", Buffer.from([0x7b, 0xff, 0x7d]));
  write("7-large.json", " ".repeat(64 * 1024 + 1));
  mkdirSync(join(folder, "8-folder.json"));
  write("9-array.json", "[]");
  const { problems } = await read();
  expect(problems.map(({ file, pointer }) => `${file} ${pointer}`)).toEqual([
    "2-rules.json /rules",
    "2-rules.json /retries",
    "3-name.json /name",
    "4-hosts.json /base_url",
    "4-hosts.json /allowed_hosts/1",
    "4-hosts.json /result/request/hosts/0",
    "5-json.json ",
    "6-bytes.json ",
    "7-large.json ",
    "8-folder.json ",
    "9-array.json ",
  ]);
  expect(problems.find(({ file }) => file === "3-name.json")?.detail).toContain("1-good.json");
  expect(problems.find(({ file }) => file === "5-json.json")?.detail).toContain(
    "line 2, column 11: expected",
  );
});

describe("a folder that can't be read is a problem of its own", () => {
  test("a folder of definitions that does not exist is a separate problem", async () => {
    rmSync(folder, { recursive: true });
    expect((await read()).problems).toEqual([
      { file: folder, pointer: "", detail: "There is no such file or folder." },
    ]);
  });

  test("a folder of definitions that is a file is a separate problem", async () => {
    write("a.json", exampleSource);
    const { problems } = await readDefinitionFiles(join(folder, "a.json"), judge);
    expect(problems).toMatchObject([{ detail: "It is not a folder." }]);
  });
});
