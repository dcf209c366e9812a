import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { EXIT } from "../../src/cli/frame/cli.ts";
import { runCli } from "../support/cli.ts";

const PAGE = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
// It is written from the commands themselves; test/reference.test.ts holds it against them.
const REFERENCE = readFileSync(new URL("../../docs/reference/cli.md", import.meta.url), "utf8");
const COMMANDS = [...REFERENCE.matchAll(/^## ringback (.+)$/gm)].map(([, name = ""]) => name);

test("docs/cli.md has every command with an example, and no other", () => {
  const rows = [...PAGE.matchAll(/^\| `([a-z -]+)` +\| [^|]+ \| `(.*)` +\|$/gm)];
  expect(new Set(rows.map(([, name]) => name))).toEqual(new Set(COMMANDS));
  expect(rows).toHaveLength(COMMANDS.length);
  const wrong = rows.filter(([, name = "", example = ""]) => !example.includes(`ringback ${name}`));
  expect(wrong).toEqual([]);
});

test("docs/cli.md has every exit code", () => {
  const codes = [...PAGE.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT));
});

test.each(COMMANDS)("%s has help at its level, with --json among its options", async (command) => {
  const words = command.split(" ");
  const asked = await runCli([...words, "--help"]);
  expect(asked).toMatchObject({ code: 0, stderr: "" });
  expect(asked.stdout).toMatch(new RegExp(`^Usage: ringback ${command} `));
  expect(asked.stdout).toMatch(/^ +--json +print JSON/m);
});

test.each(["project", "key", "profile", "inbox"])("%s alone shows its commands", async (group) => {
  const { code, stderr } = await runCli([group]);
  expect(stderr).toMatch(new RegExp(`^Usage: ringback ${group} .*\\[command\\]`));
  expect(code).toBe(1);
  expect((await runCli(["help", group])).stdout).toContain(`Usage: ringback ${group}`);
});

test.each(COMMANDS)("help %s shows the same, at any depth", async (command) => {
  const { code, stdout } = await runCli(["help", ...command.split(" ")]);
  expect(stdout).toMatch(new RegExp(`^Usage: ringback ${command} `));
  expect(code).toBe(0);
});

test("start says where its settings come from, as it has no options for them", async () => {
  const { stderr } = await runCli(["start", "--port", "9000"]);
  expect(stderr).toBe("unknown option '--port'\nSee: ringback help start\n");
  const { stdout } = await runCli(["help", "start"]);
  expect(stdout).toContain("PORT=9000 ringback start");
});

test("wrong arguments of a command name its own help", async () => {
  const { stderr } = await runCli(["key", "create"]);
  expect(stderr).toBe("missing required argument 'name'\nSee: ringback help key create\n");
});

test.each([[["help", "strat"]], [["help", "key", "mint"]]])(
  "%j is refused: there is no such command",
  async (args) => {
    const { code, stderr } = await runCli(args);
    expect(stderr).toMatch(/^Unknown command: /);
    expect(code).toBe(1);
  },
);

test("an unknown command below another is refused with that one's help", async () => {
  for (const args of [
    ["project", "frobnicate"],
    ["key", "mint"],
    ["help", "key", "mint"],
  ]) {
    const { code, stderr } = await runCli(args);
    const parent = args.find((word) => word !== "help");
    expect(stderr).toMatch(new RegExp(`^Unknown command: .*\\n\\nUsage: ringback ${parent} `));
    expect(code).toBe(1);
  }
});

test("an unknown command is refused with those that there are, and the nearest one", async () => {
  const { code, stderr } = await runCli(["strat"]);
  expect(stderr).toMatch(/^Unknown command: strat\n\nUsage: ringback \[command\]\n/);
  expect(stderr).toMatch(/\nDid you mean start\?\n$/);
  expect(code).toBe(1);
  const json = await runCli(["strat", "--json"]);
  expect(JSON.parse(json.stderr)).toMatchObject({
    error: { code: "unknown_command", exit_code: 1 },
  });
});
