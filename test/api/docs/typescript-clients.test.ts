import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { requestOfReadme } from "../../../tools/clients/readme-request.ts";
import { checkTypeScriptClients } from "../../../tools/clients/typescript.ts";
import { ApiFixture } from "../api-fixture.ts";

it("generates TypeScript clients without a warning, in which README's request compiles", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ringback-test-clients-"));
  const api = await ApiFixture.open();
  try {
    const document = join(folder, "openapi.json");
    const response = await api.request("GET", "/openapi.json", { key: null });
    writeFileSync(document, await response.text());
    const request = requestOfReadme(readFileSync("README.md", "utf8"));
    expect(JSON.parse(request)).toMatchObject({ provider: "sandbox", metadata: { invoice: 17 } });
    expect(await checkTypeScriptClients(document, folder, request)).toBe("");
    // A request that the API would refuse does not compile.
    const misspelled = request.replace("callback_url", "callback_uri");
    expect(await checkTypeScriptClients(document, folder, misspelled)).toContain("callback_uri");
  } finally {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
