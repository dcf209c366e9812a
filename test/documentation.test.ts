import { existsSync, globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { ATTEMPT_ERROR_CODES } from "../src/core/delivery/delivery-outcome.ts";
import {
  environmentNameOf,
  limitOf,
  PROJECT_LIMIT_NAMES,
} from "../src/core/limits/project-limits.ts";

/* The files, pages and constants that the documentation names exist. */

const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  ...globSync("docs/**/*.md"),
];

/** `lanes/lane.ts` is short for `src/lanes/lane.ts`. */
const FILE = /`((?:[\w-]+\/)+[\w.-]+\.(?:ts|sh|json))`/g;
const LINK = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;
const CONSTANT = /`([A-Z]+(?:_[A-Z]+)+)`/g;

function namedIn(page: string, pattern: RegExp): string[] {
  const text = readFileSync(page, "utf8");
  return [...new Set(Array.from(text.matchAll(pattern), ([, name = ""]) => name))];
}

describe.for(PAGES)("%s", (page) => {
  test("this page names only files that exist", () => {
    const missing = namedIn(page, FILE).filter(
      (file) => !existsSync(file) && !existsSync(`src/${file}`),
    );
    expect(missing).toEqual([]);
  });

  test("this page links only to pages that exist", () => {
    const links = namedIn(page, LINK).filter((link) => !/^[a-z]+:/.test(link));
    const missing = links.filter((link) => !existsSync(posix.join(posix.dirname(page), link)));
    expect(missing).toEqual([]);
  });
});

test("the architecture and the decisions name constants as the source does", () => {
  const source = globSync("src/**/*.ts").map((file) => readFileSync(file, "utf8"));
  const names = ["docs/architecture.md", ...globSync("docs/decisions/*.md")].flatMap((page) =>
    namedIn(page, CONSTANT),
  );
  expect(names.filter((name) => !source.some((text) => text.includes(name)))).toEqual([]);
});

test("docs/architecture.md stays short enough to be read: at most 2,500 words", () => {
  const words = readFileSync("docs/architecture.md", "utf8").split(/\s+/);
  expect(words.length).toBeLessThanOrEqual(2_500);
});

test("every decision is listed in docs/decisions/README.md", () => {
  const listed = namedIn("docs/decisions/README.md", LINK);
  const pages = globSync("docs/decisions/*.md").map((page) => posix.basename(page));
  expect(pages.filter((page) => page !== "README.md" && !listed.includes(page))).toEqual([]);
});

test("docs/delivery.md lists exactly the codes that an attempt can have", () => {
  const [, section = ""] = readFileSync("docs/delivery.md", "utf8").split(
    /^### Why an attempt failed$|^### Headers for.*$/m,
  );
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  const codes = rows.flatMap((row) =>
    Array.from((row.split("|")[1] ?? "").matchAll(/`(\w+)`/g), ([, code]) => code),
  );
  expect(new Set(codes)).toEqual(new Set(ATTEMPT_ERROR_CODES));
});

test("docs/project-limits.md lists the limits as the source does", () => {
  const rows = readFileSync("docs/project-limits.md", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(" | "),
    );
  const expected = PROJECT_LIMIT_NAMES.map((name) => {
    const { kind, unit, byDefault, byDefaultAmongOthers: less, counts } = limitOf(name);
    const defaults = less === undefined ? byDefault : `${byDefault}, ${less} among others`;
    return [`\`${name}\``, kind, unit, defaults, `\`${environmentNameOf(name)}\``, counts].join(
      " | ",
    );
  });
  expect(rows).toEqual(expected);
});
