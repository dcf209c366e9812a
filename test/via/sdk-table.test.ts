import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { builtInProviders } from "../../src/providers/catalogue.ts";

/* The guide's table of SDKs says how each client is made; sdks.test.ts makes it. */

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const TESTED = read("test/via/sdks.test.ts");
const ROWS = [...read("docs/guides/submit-through.md").matchAll(/^\| (.+?) +\| (`.+`.*?) +\|$/gm)]
  .map(([, name = "", text = ""]) => ({ name, text }))
  .filter(({ text }) => text.includes("RB + "));

/** Source without blanks, with one name for the key and one for the base URL, which ends with the provider. */
function normal(source: string): string {
  return source
    .replaceAll(/`\$\{baseURL\}([^`$]*)`/g, 'BASE + "$1"')
    .replaceAll(/RB \+ "\/[\w-]+(\/[^"]*)?"/g, (_, path = "") => `BASE + "${path}"`)
    .replaceAll(/(?<=[{,]\s*)baseURL(?=\s*[,}])/g, "baseURL: BASE")
    .replaceAll(/BASE \+ ""|\bbaseURL\b(?=[,)\s])(?!:)/g, "BASE")
    .replaceAll(/"rb_…"|API_KEY/g, "KEY")
    .replaceAll(/region: "[^"]+"/g, "region")
    .replaceAll(/,(?=\s*[)}\]])/g, "")
    .replaceAll(/\s+/g, "");
}

const MADE = normal(TESTED);

test.each(ROWS.filter(({ text }) => text.includes("(")))(
  "the row of $name makes its client as the test of the SDK does",
  ({ name, text }) => {
    const [, call = ""] = /^`(.+)`$/.exec(text) ?? [];
    // The tests add options of their own at the end, such as no retries.
    expect(MADE, name).toContain(normal(call).replace(/\}?\)$/, ""));
  },
);

test.each(ROWS.filter(({ text }) => !text.includes("(")))(
  "the row of $name sends its request as the test does",
  ({ text }) => {
    const [, path = "", header = ""] =
      /RB \+ "\/[\w-]+([^"…]*)…?"` with `([\w-]+):/.exec(text) ?? [];
    expect(TESTED).toContain(`\${baseURL}${path}`);
    expect(TESTED.toLowerCase()).toMatch(new RegExp(`"?${header.toLowerCase()}"?: .*api_key`));
  },
);

test("every SDK of the tests has a row, and every row names a provider of the catalogue", () => {
  const providers = builtInProviders();
  for (const { name, text } of ROWS) {
    const [, provider = ""] = /RB \+ "\/([\w-]+)/.exec(text) ?? [];
    expect(providers.has(provider), `${name}: ${provider}`).toBe(true);
  }
  const packages = [...TESTED.matchAll(/from "((?:@[\w-]+\/)?[\w-]+)";/g)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "vitest");
  const named = ROWS.map(({ name }) => name).join(" ");
  expect(packages.length).toBeGreaterThan(10);
  for (const name of packages) expect(named).toContain(`\`${name}\``);
});
