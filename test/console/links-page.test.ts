import { afterAll, beforeAll, expect, test } from "vitest";
import { parsePublicId } from "../../src/core/ids/ids.ts";
import { forgetConsoleLinks } from "../../src/store/projects/console-links.ts";
import type { Json } from "../api/api-fixture.ts";
import { type Browser, type BrowserPage, ConsoleFixture } from "./console-fixture.ts";

const APP = "https://portal.example.com";

let fixture: ConsoleFixture;
let admin: Browser;
let csrf: string;
let subscription: Json;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  subscription = await fixture.api.subscribe({ job_id: "of-acme", metadata: { customer: "acme" } });
  admin = await fixture.signedIn();
  csrf = await admin.csrf();
});

afterAll(() => fixture.close());

async function ask(method: string, path: string, body?: object): Promise<Json> {
  const response = await fixture.api.request(method, path, body === undefined ? {} : { body });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

function make(fields: Record<string, string>, by = admin, token = csrf): Promise<BrowserPage> {
  return by.post("/console/console-links", { csrf: token, ...fields });
}

function urlIn({ text }: BrowserPage): string {
  return /https:\/\/ringback\.example\.com(\/console\/links\/[\w.-]+\/)/.exec(text)?.[1] ?? "";
}

test.each([
  ["metadata", () => "customer=acme", "customer=acme"],
  ["subscription", () => subscription.id, ""],
  ["project", () => "", "the whole project"],
])(
  "makes one to a %s, shown once with the frame, then listed and revoked",
  async (shows, value, shown) => {
    // Ids of the same millisecond are in no order.
    fixture.api.clock.advance(1);
    const wish = { shows, value: value(), may_redeliver: "yes", expires_in_s: "600" };
    const page = await make(wish);
    expect(page.status).toBe(200);
    const path = urlIn(page);
    expect(page.text).toContain("  src=&quot;https://ringback.example.com/console/links/");
    const to = fixture.browser();
    const { location } = await to.get(path);
    expect((await to.get(location ?? "")).status).toBe(200);
    const list = await admin.open("/console/console-links");
    expect(list).not.toContain(path);
    expect(list).toContain(shown === "" ? subscription.id : shown);
    expect(list).toContain("may send again");
    const [made] = (await ask("GET", "/v1/console-links")).data;
    expect(made).toMatchObject({
      object: "console_link",
      may_redeliver: true,
      subscription_id: shows === "subscription" ? subscription.id : null,
      metadata: shows === "metadata" ? "customer=acme" : null,
      expires_at: new Date(fixture.api.clock.now() + 600_000).toISOString(),
      revoked_at: null,
    });
    expect(JSON.stringify(made)).not.toContain("url");
    await admin.post(`/console/console-links/${made.id}/revoke`, { csrf });
    expect((await to.get(location ?? "")).status).toBe(403);
    expect(await admin.open("/console/console-links")).toContain("The link has ended");
    const [after] = (await ask("GET", "/v1/console-links")).data;
    expect(after.revoked_at).toBe(new Date(fixture.api.clock.now()).toISOString());
  },
);

test.each([
  [
    "a metadata value that is none",
    { shows: "metadata", value: "<i>customer" },
    "Must be key=value",
  ],
  ["nothing, which is not the whole project", { shows: "metadata", value: "" }, "/metadata"],
  [
    "a subscription that is not there",
    { shows: "subscription", value: `sub_${"0".repeat(32)}` },
    "no such subscription",
  ],
])("refuses %s, and keeps what was typed", async (_, fields, words) => {
  const page = await make({ may_redeliver: "", expires_in_s: "600", ...fields });
  expect(page.text).toContain('role="alert"');
  expect(page.text).toContain(words);
  expect(page.text).toContain(
    `value="${fields.value.replaceAll("<", "&lt;").replaceAll(">", "&gt;")}"`,
  );
  expect(urlIn(page)).toBe("");
});

test("the page of links is there for keys that write, lists for admins, and is not there for readers", async () => {
  await ask("PATCH", "/v1/project", { frame_ancestors: [APP] });
  await make({ shows: "project", value: "", may_redeliver: "", expires_in_s: "600" });
  const all = await admin.open("/console/console-links");
  expect(all).toContain(`<code>${APP}</code>`);
  expect(all).toContain("Revoke all…");
  await ask("PATCH", "/v1/project", { frame_ancestors: null });
  const writer = await fixture.signedIn(["subscriptions:write", "subscriptions:read"]);
  const own = await writer.open("/console/console-links");
  expect(own).toContain("Make the link");
  expect(own).not.toContain("Revoke");
  const fields = { shows: "project", value: "", may_redeliver: "yes", expires_in_s: "600" };
  expect(urlIn(await make(fields, writer, await writer.csrf()))).not.toBe("");
  const reader = await fixture.signedIn(["subscriptions:read"]);
  expect((await reader.get("/console/console-links")).status).toBe(403);
  expect(await reader.open("/console/jobs")).not.toContain("./console-links");
});

test("links are forgotten a day after their end", async () => {
  const { id } = await ask("POST", "/v1/console-links", { expires_in_s: 60 });
  const idsOf = async (): Promise<string[]> =>
    (await ask("GET", "/v1/console-links?limit=100")).data.map((one: Json) => one.id);
  // By the database's clock, which is not the fixture's.
  const endedFor = (interval: string): Promise<unknown> =>
    fixture.api.sql(`update console_links set expires_at = now() - $2::interval where id = $1`, [
      parsePublicId("consoleLink", id),
      interval,
    ]);
  await endedFor("23 hours");
  await forgetConsoleLinks(fixture.api.database);
  expect(await idsOf()).toEqual([id]);
  await endedFor("25 hours");
  expect(await forgetConsoleLinks(fixture.api.database)).toBe(1);
  expect(await idsOf()).toEqual([]);
});
