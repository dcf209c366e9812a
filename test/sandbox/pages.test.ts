import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MISBEHAVIOURS } from "../../src/sandbox/jobs/misbehaviour.ts";
import { signedPost, startSandbox } from "./sandbox-harness.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const ATTACK = `<script>alert("x")</script>'"&<img src=x onerror=alert(1)>`;

describe("who gets what", () => {
  test.each([
    [BROWSER, "text/html"],
    ["application/json", "application/json"],
    ["*/*", "application/json"],
    ["", "application/json"],
  ])("the inbox for Accept: %s is %s", async (accept, type) => {
    const response = await startSandbox().request("/inbox", { headers: { accept } });
    expect(response.headers.get("content-type")).toContain(type);
  });

  test.each([
    [BROWSER, "text/html"],
    ["*/*", "text/plain"],
  ])("the guide for Accept: %s is %s, with commands to paste", async (accept, type) => {
    const response = await startSandbox().request("", { headers: { accept } });
    expect(response.headers.get("content-type")).toContain(type);
    const text = await response.text();
    expect(text).toContain("curl -s http://127.0.0.1:8080/sandbox/jobs");
    for (const name of Object.keys(MISBEHAVIOURS)) expect(text).toContain(name);
  });
});

describe("a page that shows what unknownFields sent", () => {
  async function pageWith(post: RequestInit): Promise<{ page: string; policy: string }> {
    const sandbox = startSandbox();
    await sandbox.request("/inbox", post);
    const response = await sandbox.request("/inbox", { headers: { accept: BROWSER } });
    const policy = response.headers.get("content-security-policy") ?? "";
    return { page: await response.text(), policy };
  }

  test("escapes the result of a job", async () => {
    const body = JSON.stringify({ type: "job.completed", data: { result: ATTACK } });
    const { page } = await pageWith(signedPost(body));
    expect(page).toContain("&lt;script&gt;alert(");
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<img");
  });

  test("escapes the type of an event, headers and the webhook-id", async () => {
    const body = JSON.stringify({ type: ATTACK });
    const headers = { "webhook-id": ATTACK, "x-attack": ATTACK };
    const { page } = await pageWith({ method: "POST", body, headers });
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<img");
    expect(page.match(/&lt;script&gt;/g)).toHaveLength(5);
  });

  test("allows its own style and script by hash, and nothing else", async () => {
    const { page, policy } = await pageWith(signedPost("{}"));
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    for (const element of ["style", "script"]) {
      const content = new RegExp(`<${element}>(.*?)</${element}>`, "s").exec(page)?.[1] ?? "";
      const hash = createHash("sha256").update(content).digest("base64");
      expect(policy).toContain(`${element}-src 'sha256-${hash}'`);
    }
  });

  test("shows the verdict of each callback", async () => {
    const { page: good } = await pageWith(signedPost('{"type":"job.completed"}'));
    expect(good).toMatch(/verified<\/span>\s*<strong>job\.completed/);
    const { page: bad } = await pageWith({ method: "POST", body: "no" });
    expect(bad).toContain("not verified: Missing required headers");
  });
});
