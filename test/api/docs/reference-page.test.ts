import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiFixture, type Json } from "../api-fixture.ts";

/* The documentation as it is served; test/browser/documentation.test.ts opens it. */

const SOURCE = join(import.meta.dirname, "../../../src/api/docs");
const GUIDES = join(import.meta.dirname, "../../../docs/guides");

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const open = (path: string, headers: Record<string, string> = {}) =>
  api.request("GET", path, { key: null, headers });

describe.each(["/docs", "/docs/guides"])("%s", (path) => {
  it("a page of the reference runs what it has itself, under a nonce of its own each time, and nothing else", async () => {
    const nonces = new Set<string>();
    for (let time = 0; time < 2; time += 1) {
      const response = await open(path);
      expect(response.headers.get("content-type")).toContain("text/html");
      const policy = response.headers.get("content-security-policy") ?? "";
      const [, nonce = ""] = /script-src 'nonce-([\w+/=]{22,})';/.exec(policy) ?? [];
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).not.toMatch(/unsafe-eval|strict-dynamic|\*/);
      expect(policy).toContain("connect-src 'self' https://ringback.example.com;");
      const page = await response.text();
      for (const [, attributes = ""] of page.matchAll(/<script([^>]*)>/g)) {
        expect(attributes).toContain(`nonce="${nonce}"`);
      }
      // Relative, so that it works below a proxy's path.
      const addresses = Array.from(page.matchAll(/(?:src|href)="([^"]*)"/g), ([, at]) => at);
      expect(addresses.filter((at) => /^(?:\w+:)?\/|^https?:/.test(at ?? ""))).toEqual([]);
      nonces.add(nonce);
    }
    expect(nonces.size).toBe(2);
  });
});

describe("the script", () => {
  it("the script is that of the package and version that is written down beside it", async () => {
    const source: Json = JSON.parse(readFileSync(join(SOURCE, "reference.js.json"), "utf8"));
    const response = await open("/docs/reference.js", { "accept-encoding": "br, gzip" });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(response.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    if (response.body === null) throw new Error("There is no script.");
    const script = gunzipSync(await buffer(response.body));
    expect(createHash("sha256").update(script).digest("hex")).toBe(source.sha256);
    const page = await (await open("/docs")).text();
    expect(page).toContain(`docs/reference.js?v=${source.version}`);
    const plain = await open("/docs/reference.js?v=1");
    expect(plain.headers.has("content-encoding")).toBe(false);
    expect(plain.headers.get("vary")).toBe("accept-encoding");
    expect((await plain.arrayBuffer()).byteLength).toBe(script.byteLength);
  });
});

describe("the guides", () => {
  it("the guides are all there, with links that lead from one to the other and nowhere else", async () => {
    const guides = (await (await open("/docs/guides.json")).json()) as Json;
    const text: string = guides.info.description;
    const titles = readdirSync(GUIDES).map((file) => {
      return /^# (.*)$/m.exec(readFileSync(join(GUIDES, file), "utf8"))?.[1] ?? "";
    });
    expect(titles.length).toBeGreaterThan(5);
    for (const title of titles) expect(text).toContain(`# ${title}`);
    const links = Array.from(text.matchAll(/\]\(([^)]*)\)/g), ([, link]) => link ?? "");
    expect(links.filter((link) => !/^#description\/[\w-]+$|^https?:/.test(link))).toEqual([]);
    expect(links).toContain("#description/verify-a-callback");
  });
});
