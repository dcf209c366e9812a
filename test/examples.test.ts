import { globSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { PLATFORM_NAMES, PLATFORMS } from "../src/cli/commands/receivers/platforms.ts";
import { tryExample } from "./support/example-receiver.ts";

const ROOT = resolve(import.meta.dirname, "..");
const DOCUMENTS = ["README.md", ...globSync("docs/**/*.md", { cwd: ROOT })];

test("the receiver for Node takes a job event, an operational event and a test event, and refuses a forged one", async () => {
  const { statuses, printed } = await tryExample({
    command: process.execPath,
    args: [join(ROOT, "examples/receivers/node-http.ts")],
    cwd: ROOT,
  });
  expect(statuses).toEqual([204, 204, 204, 204, 400]);
  // The second delivery of msg_1 is known.
  expect(printed.trim().split("\n")).toEqual([
    "msg_1 job.completed job-1",
    "msg_2 connection.paused undefined",
    "msg_3 ringback.test ringback-test",
  ]);
});

/** Code blocks that begin with the path of a file in `examples/`, which they show as it is. */
const SHOWN = DOCUMENTS.flatMap((document) =>
  [
    ...readFileSync(join(ROOT, document), "utf8").matchAll(
      /```\w+\n((?:\/\/|#) (examples\/\S+)\n[^]*?)```/g,
    ),
  ].map(([, code = "", file = ""]) => ({ document, file, code })),
);

test.each(SHOWN)("$document shows $file as it is run", ({ file, code }) => {
  expect(code).toBe(readFileSync(join(ROOT, file), "utf8"));
});

test("the guides to receivers show one each", () => {
  const guides = SHOWN.filter(({ document }) => !document.startsWith("docs/platforms/"));
  expect(new Set(guides.map(({ document }) => document))).toEqual(
    new Set(["docs/delivery.md", "docs/guides/verify-a-callback.md"]),
  );
});

describe("platforms", () => {
  const index = readFileSync(join(ROOT, "docs/receivers.md"), "utf8");

  test.each(PLATFORM_NAMES)("%s has a page that shows the receiver that init writes", (name) => {
    const { title, files } = PLATFORMS[name];
    const [example = ""] = Object.keys(files);
    const page = readFileSync(join(ROOT, `docs/platforms/${name}.md`), "utf8");
    expect(page).toMatch(new RegExp(`^# ${title}\n`));
    expect(page).toContain(readFileSync(join(ROOT, "examples", example), "utf8"));
    const [, command = "", written = ""] =
      /^(npx ringback init \S+) +# writes (.+)$/m.exec(page) ?? [];
    expect(command).toBe(`npx ringback init ${name}`);
    const unnamed = Object.values(files).filter((file) => !written.includes(basename(file)));
    expect(unnamed).toEqual([]);
    expect(index).toContain(`| [${title}](platforms/${name}.md)`);
    expect(index).toContain(`[\`${example}\`](../examples/${example})`);
  });

  test("the platforms have no other page, and examples/ has no receiver that none of them uses", () => {
    const pages = globSync("docs/platforms/*.md", { cwd: ROOT }).map((page) =>
      basename(page, ".md"),
    );
    expect(pages.sort()).toEqual([...PLATFORM_NAMES].sort());
    const used = PLATFORM_NAMES.flatMap((name) => Object.keys(PLATFORMS[name].files));
    const there = globSync(["platforms/*.*", "receivers/**/*.{mjs,py,php,rb,go,rs,java}"], {
      cwd: join(ROOT, "examples"),
    });
    const unused = there.filter((file) => !used.includes(file));
    // The same as that of `platforms/`, without the package.
    expect(unused).toEqual(["receivers/express.mjs"]);
  });
});
