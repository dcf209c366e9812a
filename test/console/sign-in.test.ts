import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashApiKey } from "../../src/runtime/secrets/api-key.ts";
import type { Json } from "../api/api-fixture.ts";
import { ConsoleFixture } from "./console-fixture.ts";

const HOUR_MS = 3_600_000;
const SESSION = "__Host-ringback_console";

let fixture: ConsoleFixture;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
});

afterAll(() => fixture.close());

describe("somebody who is not signed in", () => {
  test.each(["/console/", "/console/jobs", "/console/jobs?status=failed", "/console/no/such/page"])(
    "a browser without a session is sent from %s to the form, and back after signing in",
    async (path) => {
      const browser = fixture.browser();
      const led = await browser.get(path);
      expect(led.status).toBe(303);
      expect(led.location).toMatch(/^\/console\/sign-in/);
      const form = await browser.open(led.location ?? "");
      expect(form).toContain("API key");
      const next = new URLSearchParams(led.location?.split("?")[1]).get("next") ?? "";
      const signedIn = await browser.signIn(await fixture.api.addKey(["admin"]), next);
      expect(signedIn).toMatchObject({ status: 303, location: path });
    },
  );

  test("a browser without a session changes nothing, and its script is told to load the page again", async () => {
    const page = await fixture.browser().post("/console/jobs/x/poll", { csrf: "x" });
    expect(page).toMatchObject({ status: 303, location: "/console/sign-in" });
    const read = await fixture
      .browser()
      .get("/console/jobs", { headers: { "hx-request": "true" } });
    expect(read.status).toBe(401);
    expect(read.headers.get("hx-refresh")).toBe("true");
  });

  test("the console is found also without the trailing slash", async () => {
    const page = await fixture.browser().get("/console");
    expect(page).toMatchObject({ status: 302, location: "/console/" });
  });
});

describe("signing in", () => {
  test.each([
    ["https://evil.example/"],
    ["//evil.example/"],
    ["/v1/project"],
    ["../v1/project"],
    ["javascript:alert(1)"],
    [String.raw`\\evil.example`],
  ])("signing in leads only into the console, whatever is asked: %s", async (next) => {
    const page = await fixture.browser().signIn(await fixture.api.addKey(["admin"]), next);
    expect(page).toMatchObject({ status: 303, location: "/console/" });
  });

  test("signing in sets a sealed cookie without the key, which scripts and other sites can't read", async () => {
    const browser = fixture.browser();
    const key = await fixture.api.addKey(["admin"]);
    await browser.signIn(key);
    const cookie = browser.setCookies.get(SESSION) ?? "";
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; Secure/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    expect(cookie).toMatch(/; Path=\//);
    expect(cookie).not.toMatch(/Domain/);
    expect(cookie).not.toContain(key.slice(3));
    expect(cookie).not.toContain(hashApiKey(key));
  });

  test("signing in over plain http sets a cookie that such a browser keeps, named by its port", async () => {
    const browser = fixture.browser();
    const key = await fixture.api.addKey(["admin"]);
    const headers = { host: "localhost:8080", origin: "http://localhost:8080" };
    await browser.post("/console/sign-in", { key, next: "" }, { headers });
    expect([...browser.cookies.keys()]).toEqual(["ringback_console_8080"]);
    expect(browser.setCookies.get("ringback_console_8080")).not.toMatch(/Secure/);
  });

  test.each([
    ["nothing", "", 401],
    ["no key", "hello", 401],
    ["an unknown one", "rb_unknown-key-of-no-one", 401],
  ])(
    "signing in with %s fails with the reason, and repeats nothing of it",
    async (_, key, status) => {
      const page = await fixture.browser().signIn(key);
      expect(page.status).toBe(status);
      expect(page.text).toContain("The API key is unknown, expired or revoked.");
      if (key !== "") expect(page.text).not.toContain(key);
      expect(page.headers.getSetCookie()).toEqual([]);
    },
  );

  test.each([
    ["another site", { "sec-fetch-site": "cross-site" }],
    ["a sibling host", { "sec-fetch-site": "same-site" }],
    [
      "an older browser at another site",
      { "sec-fetch-site": null, origin: "https://evil.example" },
    ],
  ])("signing in from a form of %s is refused", async (_, headers) => {
    const key = await fixture.api.addKey(["admin"]);
    const page = await fixture.browser().post("/console/sign-in", { key, next: "" }, { headers });
    expect(page.status).toBe(403);
    expect(page.headers.getSetCookie()).toEqual([]);
  });

  test("signing in from a browser that sends no origin is accepted", async () => {
    const key = await fixture.api.addKey(["admin"]);
    const headers = { "sec-fetch-site": null, origin: null };
    const page = await fixture.browser().post("/console/sign-in", { key, next: "" }, { headers });
    expect(page.status).toBe(303);
  });

  test("signing in is limited for an address that guesses, by the limit of the API; a valid key is not", async () => {
    const browser = fixture.browser();
    const headers = { "x-forwarded-for": "203.0.113.9" };
    const guess = (n: number) =>
      browser.post("/console/sign-in", { key: `rb_guess-${n}`, next: "" }, { headers });
    let refused = 0;
    for (let n = 0; n < 400 && refused === 0; n += 1) {
      const { status } = await guess(n);
      if (status === 429) refused = n;
    }
    expect(refused).toBeGreaterThan(100);
    const limited = await guess(1000);
    expect(limited.status).toBe(429);
    const api = await fixture.api.request("GET", "/v1/jobs", { key: "rb_guess-1001" });
    expect(api.status).toBe(429);
    expect((await browser.signIn(await fixture.api.addKey(["admin"]))).status).toBe(303);
    fixture.api.clock.advance(600_000);
  });
});

describe("a link of the first start", () => {
  test("the link of the first start signs in once", async () => {
    const path = fixture.console.oneTimePath(hashApiKey(await fixture.api.addKey(["admin"])));
    const browser = fixture.browser();
    expect(await browser.get(path)).toMatchObject({ status: 303, location: "/console/" });
    expect(await browser.open("/console/jobs")).toContain("Sign out");
    const again = await fixture.browser().get(path);
    expect(again.status).toBe(403);
    expect(again.text).toContain("This link was used, or is too old");
    expect(again.headers.getSetCookie()).toEqual([]);
  });

  test("the link of the first start is valid for a quarter of an hour", async () => {
    const path = fixture.console.oneTimePath(hashApiKey(await fixture.api.addKey(["admin"])));
    fixture.api.clock.advance(15 * 60_000 + 1);
    expect((await fixture.browser().get(path)).status).toBe(403);
  });
});

describe("a session", () => {
  test("a session ends after an hour without use", async () => {
    const browser = await fixture.signedIn();
    fixture.api.clock.advance(HOUR_MS - 1);
    expect((await browser.get("/console/jobs")).status).toBe(200);
    fixture.api.clock.advance(HOUR_MS);
    expect((await browser.get("/console/jobs")).status).toBe(303);
  });

  test("a session in use lasts for twelve hours and no longer", async () => {
    const browser = await fixture.signedIn();
    for (let halfHours = 1; halfHours < 24; halfHours += 1) {
      fixture.api.clock.advance(HOUR_MS / 2);
      expect((await browser.get("/console/jobs")).status, `${halfHours}`).toBe(200);
    }
    fixture.api.clock.advance(HOUR_MS / 2);
    expect((await browser.get("/console/jobs")).status).toBe(303);
  });

  test("a session is not prolonged by a page that refreshes itself", async () => {
    const browser = await fixture.signedIn();
    const headers = { "hx-request": "true", "console-seen": "0" };
    fixture.api.clock.advance(HOUR_MS - 1);
    expect((await browser.get("/console/jobs", { headers })).status).toBe(200);
    fixture.api.clock.advance(2);
    expect((await browser.get("/console/jobs", { headers })).status).toBe(401);
  });

  test("a session ends when its key is revoked, and the browser's cookie is cleared", async () => {
    const key = await fixture.api.addKey(["subscriptions:read"]);
    const browser = fixture.browser();
    await browser.signIn(key);
    await browser.open("/console/jobs");
    const list: Json = await (await fixture.api.request("GET", "/v1/api-keys?limit=1")).json();
    await fixture.api.request("DELETE", `/v1/api-keys/${list.data[0].id}`);
    expect(await browser.get("/console/jobs")).toMatchObject({ status: 303 });
    expect(browser.cookies.has(SESSION)).toBe(false);
  });

  test("a session ends with signing out, also for a copy of its cookie", async () => {
    const browser = await fixture.signedIn();
    const csrf = await browser.csrf();
    const copied = new Map(browser.cookies);
    expect(await browser.post("/console/sign-out", { csrf })).toMatchObject({
      status: 303,
      location: "/console/sign-in",
    });
    expect(browser.cookies.has(SESSION)).toBe(false);
    for (const [name, value] of copied) browser.cookies.set(name, value);
    expect((await browser.get("/console/jobs")).status).toBe(303);
  });

  test("a session is valid at every node", async () => {
    const browser = await fixture.signedIn();
    const there = fixture.browserAtOtherNode();
    for (const [name, value] of browser.cookies) there.cookies.set(name, value);
    expect(await there.open("/console/jobs")).toContain("Sign out");
  });

  test("a session can't be ended by another site", async () => {
    const browser = await fixture.signedIn();
    const csrf = await browser.csrf();
    const headers = { "sec-fetch-site": "cross-site" };
    expect((await browser.post("/console/sign-out", { csrf }, { headers })).status).toBe(403);
    expect((await browser.post("/console/sign-out", { csrf: "wrong" })).status).toBe(403);
    expect((await browser.get("/console/jobs")).status).toBe(200);
  });

  test.each([
    ["cut short", (sealed: string) => sealed.slice(0, -4)],
    // In the middle: the last digit of base64 may hold bits that mean nothing.
    [
      "altered",
      (sealed: string) =>
        sealed.replace(
          /(.)(.{20})$/,
          (_, digit: string, end: string) => (digit === "A" ? "B" : "A") + end,
        ),
    ],
    ["made up", () => "v2.00000000.AAAA"],
    ["no text of ours", () => "hello"],
  ])("a session whose cookie is %s is invalid", async (_, change) => {
    const browser = await fixture.signedIn();
    browser.cookies.set(SESSION, change(browser.cookies.get(SESSION) ?? ""));
    expect((await browser.get("/console/jobs")).status).toBe(303);
  });
});
