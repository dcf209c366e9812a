import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { builtInProviders } from "../../support/providers.ts";

const PAGE = readFileSync(new URL("../../../docs/providers.md", import.meta.url), "utf8");

interface Row {
  readonly name: string;
  readonly api: string;
  readonly params: readonly string[];
  readonly isUnverified: boolean;
}

/** The rows of the table of the catalogue. */
function rows(): Row[] {
  const [, section = ""] = PAGE.split("## The catalogue\n");
  const [table = ""] = section.split("\n## ");
  const lines = table.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => {
    const [, name = "", api = "", , params = "", , toKnow = ""] = line.split("|");
    return {
      name: name.trim().replaceAll("`", ""),
      api,
      // A param begins an entry; what follows it is its default.
      params: [...params.matchAll(/(?:^|, )\s*`(\w+)`/g)].map(([, param = ""]) => param),
      isUnverified: toKnow.includes("‡"),
    };
  });
}

test("the table of the catalogue has a row for every provider, and no other", () => {
  const names = rows().map(({ name }) => name);
  expect(names.sort()).toStrictEqual([...builtInProviders().keys()].sort());
});

test.each(rows())("the row of $name links its API, names its params and its doubts", (row) => {
  const provider = builtInProviders().get(row.name);
  const { documentation_url: url, notes = "" } = provider?.definition ?? {};
  expect(row.api.includes(`](${url})`)).toBe(url !== undefined);
  expect([...row.params].sort()).toStrictEqual([...(provider?.paramNames ?? [])].sort());
  expect(row.isUnverified).toBe(notes.includes("‡"));
});
