import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { referencePages } from "../tools/reference/pages.ts";
import { startTestGateway } from "./support/test-gateway.ts";

const FOLDER = resolve(import.meta.dirname, "../docs/reference");

test("docs/reference says what the code says; `npm run reference` writes it again", async () => {
  const gateway = await startTestGateway();
  try {
    const { text: metrics } = await gateway.api("GET", "/metrics");
    const pages = referencePages(metrics);
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(pages).sort());
    for (const [name, text] of Object.entries(pages)) {
      expect(readFileSync(join(FOLDER, name), "utf8"), name).toBe(text);
    }
  } finally {
    await gateway.discard();
  }
});
