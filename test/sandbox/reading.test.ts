import { expect, test } from "vitest";
import { MISBEHAVIORS } from "../../src/sandbox/jobs/misbehavior.ts";
import { startSandbox } from "./sandbox-harness.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const ATTACK = `<script>alert("x")</script>`;

test.each([BROWSER, "*/*", ""])(
  "the guide is text with commands to paste, and leads a browser to the console: Accept %s",
  async (accept) => {
    const response = await startSandbox().request("", { headers: { accept } });
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const text = await response.text();
    expect(text).toContain("curl -s http://127.0.0.1:8080/sandbox/jobs");
    expect(text).toContain("http://127.0.0.1:8080/console/sandbox");
    for (const name of Object.keys(MISBEHAVIORS)) expect(text).toContain(name);
  },
);

test("the inbox shows what strangers sent as JSON, to browsers too", async () => {
  const sandbox = startSandbox();
  await sandbox.request("/inbox", { method: "POST", body: ATTACK, headers: { "x-a": ATTACK } });
  const response = await sandbox.request("/inbox", { headers: { accept: BROWSER } });
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(await response.json()).toMatchObject({ data: [{ body: ATTACK, verified: false }] });
});
