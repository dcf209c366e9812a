import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonView } from "../../../src/console/view/json-view.ts";

async function textOf(json: string): Promise<string> {
  const markup = (await jsonView(json)).toString();
  const text = markup.replaceAll(/<[^>]*>/g, "");
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

describe("a JSON text as a tree", () => {
  test.each([
    ["1.10", "1.10"],
    ["12345678901234567890", "12345678901234567890"],
    ["-0.0e-10", "-0.0e-10"],
    [String.raw`"\u00fc \" \\ \/"`, String.raw`"\u00fc \" \\ \/"`],
    ['{"a b": [1.0, null, true]}', "1.0"],
    ['{"a": {}}', "{}"],
  ])("the tree of a JSON text shows %s exactly as spelled", async (json, shown) => {
    expect(await textOf(json)).toContain(shown);
  });

  test("the tree of a JSON text shows every name and every scalar, and none of their markup", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 4 }), async (json) => {
        const scalars = json.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/g) ?? [];
        const text = await textOf(json);
        expect(scalars.filter((scalar) => !text.includes(scalar))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test("the tree of a JSON text shows markup in names and strings as text", async () => {
    const hostile = `{"<img src=x onerror=alert(1)>": "</div><script>alert(2)</script>"}`;
    const markup = (await jsonView(hostile)).toString();
    expect(markup).not.toContain("<img");
    expect(markup).not.toContain("<script");
  });

  test("the tree of a JSON text counts the parts that are too large to show", async () => {
    const json = JSON.stringify(Array.from({ length: 5000 }, (_, index) => index));
    const text = await textOf(json);
    expect(text).toContain("5000 items");
    expect(text).toMatch(/and 3\d\d\d more, which are in the download/);
  });

  test("the tree is finite for texts of any depth and length, and for invalid JSON", async () => {
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    expect(await textOf(deep)).toContain("and 1 more");
    expect(await textOf(JSON.stringify("x".repeat(10_000)))).toContain("more characters)");
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[{}[\]:," 1a\\]*$/), async (text) => {
        expect(await textOf(text)).toBeTypeOf("string");
      }),
      { numRuns: 200 },
    );
  });
});
