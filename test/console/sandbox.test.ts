import { afterAll, beforeAll, expect, test } from "vitest";
import { Console } from "../../src/console/console.ts";
import { type Browser, ConsoleFixture } from "./console-fixture.ts";

let fixture: ConsoleFixture;
let writer: Browser;
let csrf: string;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  writer = await fixture.signedIn(["subscriptions:write", "subscriptions:read"]);
  csrf = await writer.csrf();
});

afterAll(() => fixture.close());

const JOB = { outcome: "failed", duration_s: "1", misbehaviour: "none", receiver: "good" };

test.each([
  ["a result that is no JSON", { result: `{"pages": }` }, "The result is not valid JSON."],
  ["an outcome that is none", { outcome: "maybe" }, "/outcome"],
  ["seconds that are no number", { duration_s: "soon" }, "/duration_s"],
  ["more fields than it has", { result: `1,"pointer":true` }, "The result is not valid JSON."],
])("%s is refused in words, and what was typed is kept", async (_, fields, words) => {
  const page = await writer.post("/console/sandbox", { csrf, ...JOB, ...fields });
  expect(page.status).toBe(200);
  expect(page.text).toContain('role="alert"');
  expect(page.text).toContain(words);
  expect(page.text).toContain('<option value="good" selected>');
});

test("a project without a connection to the sandbox is told so", async () => {
  const page = await writer.post("/console/sandbox", { csrf, ...JOB });
  expect(page.text).toMatch(/role="alert">[^<]*connection/);
  expect(page.text).toContain('<option value="failed" selected>');
});

test("the sandbox is neither shown nor run for a key that may only read", async () => {
  const reader = await fixture.signedIn(["subscriptions:read"]);
  expect(await reader.open("/console/jobs")).not.toContain("./sandbox");
  const token = await reader.csrf();
  expect((await reader.post("/console/sandbox", { csrf: token, ...JOB })).status).toBe(403);
});

test("the panel is not there where the sandbox is off", async () => {
  const { services, app } = fixture.api;
  const api = (...request: Parameters<typeof app.fetch>) => app.fetch(...request);
  const bare = new Console({ ...services, sandbox: null, api });
  const cookie = [...writer.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const get = (path: string) =>
    bare.app.request(`https://ringback.example.com/console/${path}`, {
      headers: { cookie, host: "ringback.example.com" },
    });
  expect((await get("sandbox")).status).toBe(404);
  expect(await (await get("jobs")).text()).not.toContain("./sandbox");
});
