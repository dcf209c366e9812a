import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JsonPath, sliceRawJson } from "../../../src/core/json/raw-json.ts";
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
    expect(text).toMatch(/and 3\d\d\d more/);
  });

  test("the tree is finite for texts of any depth and length, and for invalid JSON", async () => {
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    expect(await textOf(deep)).toContain("and 1 more");
    expect(await textOf(JSON.stringify(["x".repeat(10_000)]))).toContain("more characters)");
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[{}[\]:," 1a\\]*$/), async (text) => {
        expect(await textOf(text)).toBeTypeOf("string");
      }),
      { numRuns: 200 },
    );
  });
});

describe("a tree in parts", () => {
  const items = Array.from({ length: 4000 }, (_, index) => `{"n":${index}.10}`);
  const json = `{"a/b":[${items.join(",")}],"last":4000}`;
  const linkTo = (at: JsonPath, from: number) => `?at=${JSON.stringify(at)}&from=${from}`;

  test("the parts of a tree lead on from one to the next until every value was shown", async () => {
    const seen = new Set<string>();
    const links = new Set(["?at=[]&from=0"]);
    for (const link of links) {
      const [, path = "", from = ""] = /^\?at=(.*)&from=(\d+)$/.exec(link) ?? [];
      const at = JSON.parse(path) as JsonPath;
      const value = sliceRawJson(json, at) ?? "";
      const markup = await jsonView(value, { at, from: Number(from), linkTo });
      for (const [, digits = ""] of markup.toString().matchAll(/>(\d+\.10)</g)) seen.add(digits);
      for (const [, next = ""] of markup.toString().matchAll(/href="([^"]*)"/g)) {
        links.add(unescaped(next));
      }
    }
    expect(seen.size).toBe(4000);
    expect(links.size).toBeLessThan(20);
  });

  test("a text that is cut in a tree leads to itself, where it is whole", async () => {
    const long = `{"text":"${"x".repeat(9000)}"}`;
    const markup = (await jsonView(long, { linkTo })).toString();
    expect(unescaped(markup)).toContain('href="?at=["text"]&from=0"');
    const alone = sliceRawJson(long, ["text"]) ?? "";
    expect(await textOf(alone)).toContain("x".repeat(9000));
  });
});

function unescaped(markup: string): string {
  return markup.replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}
