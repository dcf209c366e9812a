import { brotliCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publicId } from "../../src/core/ids/ids.ts";
import { LANE_FREE } from "../../src/core/waiting/lane-status.ts";
import { CALLBACK_URL, type Json } from "../api/api-fixture.ts";
import { SECTIONS } from "../../src/console/view/sections.ts";
import { type Browser, ConsoleFixture, ROUTES } from "./console-fixture.ts";

const COMPRESSED_BYTES_MAX = 150 * 1024;
/** Breaks out of text, of attributes in either quote, of a script and of a comment. */
const HOSTILE = `"'><script>alert(1)</script><img src=x onerror=alert(2)>--></title>`;

let fixture: ConsoleFixture;
let admin: Browser;
let reader: Browser;
/** Ended, with a result, and a delivery that failed. */
let ended: Json;
let endedEvent: string;
let live: Json;
let redelivery: Json;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  admin = await fixture.signedIn(["admin"]);
  reader = await fixture.signedIn(["subscriptions:read"]);
  live = await fixture.api.subscribe({ job_id: "still-running" });
  ended = await fixture.api.subscribe({
    job_id: "a job",
    metadata: { invoice: 12_345, note: HOSTILE },
  });
  const result = `{"total":1.10,"id":12345678901234567890,"text":${JSON.stringify(HOSTILE)}}`;
  const { deliveryId, eventId } = await fixture.api.end(ended.id, { result });
  endedEvent = publicId("event", eventId);
  await fixture.api.attempt(deliveryId ?? "", {
    httpStatus: 503,
    errorCode: "server_error_answer",
    responseExcerpt: HOSTILE,
    status: "pending",
    nextAttemptAtMs: fixture.api.clock.now() + 60_000,
  });

  const wish = { status: "pending", dry_run: true };
  const made = await fixture.api.request("POST", "/v1/redeliveries", { body: wish });
  redelivery = await made.json();
});

afterAll(() => fixture.close());

function pathOf(subscription: Json): string {
  return `/console/jobs/${subscription.job.id}`;
}

/** Every page that has an address of its own. */
function pagePaths(): string[] {
  const ids: Readonly<Record<string, string>> = {
    "/jobs/:id": ended.job.id,
    "/results/:id/view": endedEvent,
    "/redeliveries/:id": redelivery.id,
    "/providers/:name": "pulse",
    "/providers/:name/versions": "pulse",
    "/providers/:name/try": "pulse",
    "/providers/:name/edit": "pulse",
  };
  return ROUTES.filter(
    ({ method, path }) => method === "GET" && !/^\/(?:$|results\/:id$|provider-new)/.test(path),
  ).map(({ path }) => `/console${path.replace(/:\w+/, ids[path] ?? "missing")}`);
}

describe("every page", () => {
  test("every page is one document that loads nothing from elsewhere and runs nothing inline", async () => {
    for (const path of [...pagePaths(), "/console/sign-in", "/console/no-such-page"]) {
      const { text, headers } = await admin.get(path);
      const policy = headers.get("content-security-policy") ?? "";
      const [, nonce] = /script-src 'nonce-([\w+/=]{22,})'(?:;|$)/.exec(policy) ?? [];
      expect(policy, path).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("base-uri 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(text).toMatch(/^<!doctype html>/);
      for (const [tag] of text.matchAll(/<(?:script|link rel="stylesheet")[^>]*>/g)) {
        expect(tag, path).toContain(`nonce="${nonce}"`);
        expect(tag).toMatch(/(?:src|href)="(?:\.\/|(?:\.\.\/)+)assets\//);
      }
      const tags = text.replaceAll(/"[^"]*"/g, '""');
      expect(tags, path).not.toMatch(/<[^>]*\s(?:on\w+|style|srcdoc)=/i);
      expect(text).not.toMatch(/<style|<iframe|<object|<embed|<base|javascript:/i);
      expect(text).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//);
    }
  });

  test("every page has a different nonce each time", async () => {
    const one = await admin.get("/console/jobs");
    const other = await admin.get("/console/jobs");
    expect(one.headers.get("content-security-policy")).not.toBe(
      other.headers.get("content-security-policy"),
    );
  });

  test("every page shows values of clients, upstreams and receivers as text", async () => {
    const text = await admin.open(pathOf(ended));
    expect(text).not.toContain("<script>alert");
    expect(text).not.toContain("<img");
    expect(text.split("&lt;script&gt;alert(1)&lt;/script&gt;").length).toBeGreaterThan(3);
  });

  test("every page uses relative addresses only, so it works behind any path prefix", async () => {
    for (const path of pagePaths()) {
      const text = await admin.open(path);
      const addresses = Array.from(text.matchAll(/(?:src|href|action)="([^"]*)"/g), ([, a]) => a);
      expect(addresses.length).toBeGreaterThan(3);
      expect(addresses.filter((address) => !/^(?:#|\.{1,2}\/)/.test(address ?? ""))).toEqual([]);
    }
  });

  test("a page that is read again is sent only if it has changed", async () => {
    const text = await admin.open(pathOf(live));
    const [, seen = ""] = /data-seen="(\w+)"/.exec(text) ?? [];
    const headers = { "hx-request": "true", "console-seen": seen };
    expect(await admin.get(pathOf(live), { headers })).toMatchObject({ status: 204, text: "" });
    await fixture.api.subscribe({ job_id: "still-running", metadata: { second: true } });
    const again = await admin.get(pathOf(live), { headers });
    expect(again.status).toBe(200);
    expect(again.text).toContain("second");
  });
});

describe("the assets of pages", () => {
  test("the assets of the pages are small, cached for good, and compressed", async () => {
    const text = await admin.open("/console/jobs");
    const paths = Array.from(text.matchAll(/"\.\/(assets\/[^"]+)"/g), ([, path = ""]) => path);
    expect(paths).toHaveLength(4);
    let bytes = brotliCompressSync(text).byteLength;
    for (const path of paths) {
      const asset = await admin.get(`/console/${path}`, { headers: { "accept-encoding": "gzip" } });
      expect(asset.status).toBe(200);
      expect(asset.headers.get("cache-control")).toContain("immutable");
      expect(asset.headers.get("content-encoding")).toBe("gzip");
      const size = await fixture.assetBytes(`/console/${path}`, "gzip");
      const smaller = await fixture.assetBytes(`/console/${path}`, "br");
      expect(smaller).toBeLessThanOrEqual(size);
      bytes += size;
    }
    expect(bytes).toBeLessThan(COMPRESSED_BYTES_MAX);
  });

  test("an asset is served only under its content hash and name", async () => {
    for (const path of ["000000000000/console.js", "x/toString", "x/../../package.json"]) {
      expect((await admin.get(`/console/assets/${path}`)).status).toBe(404);
    }
  });
});

describe("the list of jobs", () => {
  test("the list of jobs shows each with its status and a link to its page", async () => {
    const text = await reader.open("/console/jobs");
    expect(text).toContain("still-running");
    expect(text).toContain(`./jobs/${ended.job.id}`);
    expect(text).toContain("completed");
  });

  test.each([
    ["q", () => "a job", "a job", "still-running"],
    ["status", () => "completed", "a job", "still-running"],
    ["provider", () => "no-such-provider", "No job matches", "still-running"],
  ])("the list of jobs filters by %s in its address", async (name, value, shown, hidden) => {
    const text = await reader.open(`/console/jobs?${name}=${encodeURIComponent(value())}`);
    expect(text).toContain(shown);
    expect(text).not.toContain(hidden);
  });

  test("the list of jobs leads from the id of anything about a job to its page", async () => {
    const deliveries: Json = await (
      await fixture.api.request("GET", `/v1/subscriptions/${ended.id}/deliveries`)
    ).json();
    const [delivery] = deliveries.data;
    for (const id of [ended.id, ended.job.id, delivery.id, delivery.event_id]) {
      const page = await reader.get(`/console/jobs?q=${id}`);
      expect(page).toMatchObject({ status: 303, location: pathOf(ended) });
    }
    const unknown = await reader.get(
      `/console/jobs?q=${publicId("subscription", fixture.api.uuid())}`,
    );
    expect(unknown.text).toContain("No job matches");
  });

  test("the list of jobs goes from page to page, and says what is wrong with an address", async () => {
    for (let n = 0; n < 51; n += 1) await fixture.api.subscribe({ job_id: `many-${n}` });
    const first = await reader.open("/console/jobs");
    const [, next = ""] = /href="\.\/(jobs\?[^"]*cursor=[^"]*)" rel="next"/.exec(first) ?? [];
    const second = await reader.open(`/console/${next.replaceAll("&amp;", "&")}`);
    expect(second).toContain("still-running");
    expect(second).toContain("Newest");
    const wrong = await reader.get("/console/jobs?cursor=nonsense");
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain("invalid_cursor");
  });

  test("the empty list of jobs teaches the first command", async () => {
    const empty = await ConsoleFixture.open();
    try {
      const text = await (await empty.signedIn()).open("/console/jobs");
      expect(text).toContain("No jobs yet");
      expect(text).toContain("curl -s https://ringback.example.com/v1/subscriptions");
    } finally {
      await empty.close();
    }
  });
});

describe("the page of a job", () => {
  test("the page of a job says why, and shows the timeline, the attempts and the sent requests", async () => {
    const text = await reader.open(pathOf(ended));
    expect(text).toContain("Attempt 1 failed: The receiver answered 503.");
    expect(text).toContain("Accepted");
    expect(text).toContain("job.completed");
    expect(text).toContain(CALLBACK_URL);
    expect(text).toContain("What is sent");
    expect(text).toContain("webhook-id");
    expect(text).toContain("curl -X POST");
  });

  test("the page of a job keeps every digit of a result and of metadata", async () => {
    const text = await reader.open(pathOf(ended));
    expect(text).toContain(">1.10</span>");
    expect(text).toContain(">12345678901234567890</span>");
    expect(text).toContain(">12345</span>");
  });

  test("the page of a job offers the result as a download, never as a page", async () => {
    const text = await reader.open(pathOf(ended));
    const [, path = ""] = /href="\.\.\/(results\/evt_[0-9a-f]+)"/.exec(text) ?? [];
    const download = await reader.get(`/console/${path}`);
    expect(download.headers.get("content-disposition")).toMatch(/^attachment; filename="evt_/);
    expect(download.headers.get("content-type")).toBe("application/octet-stream");
    expect(download.headers.get("content-security-policy")).toContain("sandbox");
    expect(download.text).toContain('"total":1.10,"id":12345678901234567890');
  });

  test("the page of a job leads through the parts of a result that is too large for it", async () => {
    const large = await fixture.api.subscribe({ job_id: "large" });
    const rows = Array.from({ length: 60_000 }, (_, n) => `{"n":${n}.10,"t":"<b>"}`);
    await fixture.api.end(large.id, { result: `[${rows.join(",")}]` });
    const [, path = ""] =
      /href="\.\.\/(results\/evt_\w+\/view)"/.exec(await admin.open(pathOf(large))) ?? [];
    let text = "";
    for (let part: string | null = `${path}?part=1`; part !== null;) {
      const page: string = await admin.open(`/console/${part}`);
      expect(page).not.toContain("<b>");
      text += /<pre[^>]*>([^<]*)<\/pre>/.exec(page)?.[1] ?? "";
      part = /href="[./]*(results\/[^"]+)" rel="next"/.exec(page)?.[1] ?? null;
    }
    expect(text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')).toBe(
      `[${rows.join(",")}]`,
    );
    const tree = await admin.open(`/console/results/${endedEvent}/view?at=["total"]`);
    expect(tree).toContain(">1.10<");
    for (const at of ["nonsense", '["missing"]', '[{"a":1}]']) {
      const page = await admin.get(
        `/console/results/${endedEvent}/view?at=${encodeURIComponent(at)}`,
      );
      expect(page.status, at).toBe(200);
    }
  });

  test("the page of a job shows the upstream's raw answer as text, and leads to the reference", async () => {
    const job = await fixture.api.subscribe({ job_id: "looked-at" });
    const teaching = await admin.open(pathOf(job));
    expect(teaching).toContain("The next poll's answer appears here");
    expect(teaching).toContain("docs#tag/jobs/GET/v1/jobs/{id}/explain");
    expect(teaching).toMatch(
      /providers\/pulse\/try\?kind=job&amp;job=looked-at&amp;connection=default/,
    );
    fixture.api.inspection = {
      atMs: fixture.api.clock.now(),
      job: null,
      busy: [],
      rawAnswer: {
        atMs: fixture.api.clock.now(),
        status: 502,
        headers: { "content-type": "text/html", "x-hostile": HOSTILE },
        body: `${HOSTILE} 12345678901234567890.10`,
        bodyBytes: 70_000,
      },
    };
    const page = await admin.open(pathOf(job));
    fixture.api.inspection = null;
    expect(page).toContain("HTTP 502");
    expect(page).toContain("12345678901234567890.10");
    expect(page).toContain("of 70,000");
    expect(page).not.toContain("<script>alert");
    // A key that may only read is not led to what only others may do.
    expect(await reader.open(pathOf(job))).not.toContain("Ask upstream");
  });

  test("the page of a job that does not exist, or is another project's, is not found", async () => {
    const missing = await reader.get(`/console/jobs/${publicId("job", fixture.api.uuid())}`);
    expect(missing.status).toBe(404);
    expect(missing.text).toContain("There is no job");
    for (const id of ["nonsense", "..%2F..%2Fproject", "%00"]) {
      expect((await reader.get(`/console/jobs/${id}`)).status, id).toBe(404);
    }
    const projectId = fixture.api.uuid();
    await fixture.api.addProject(projectId, "other");
    const stranger = fixture.browser();
    await stranger.signIn(await fixture.api.addKey(["admin"], { projectId }));
    expect((await stranger.get(pathOf(ended))).status).toBe(404);
  });
});

describe("pages for admins", () => {
  const adminPages = ROUTES.filter(({ method, scope }) => method === "GET" && scope === "admin");

  test.each(adminPages)(
    "$path is refused to keys without the scope admin, and not linked for them",
    async ({ path }) => {
      const page = await reader.get(`/console${path}`);
      expect(page.status).toBe(403);
      expect(page.text).toContain("the scope admin");
      expect(await reader.open("/console/jobs")).not.toContain(`"./${path.slice(1)}"`);
      const isSection = Object.values(SECTIONS).some((one) => `/${one.path}` === path);
      const shown = await admin.open("/console/jobs");
      expect(shown.includes(`"./${path.slice(1)}"`)).toBe(isSection);
    },
  );
});

describe("changes", () => {
  test("changes are offered only to keys that may make them", async () => {
    expect(await admin.open(pathOf(live))).toContain("Poll now");
    expect(await admin.open(pathOf(ended))).toContain("Send again");
    const forms = /<form method="post" action="(?!(?:\.\.\/)*sign-out)/;
    expect(await reader.open(pathOf(live))).not.toMatch(forms);
    expect(await reader.open(pathOf(ended))).not.toMatch(forms);
  });

  const actions = ROUTES.filter(({ method }) => method === "POST");

  test.each(actions)("$path is refused to a key without the scope", async ({ path, scope }) => {
    const weaker = scope === "admin" ? "subscriptions:write" : "subscriptions:read";
    const browser = await fixture.signedIn([weaker, "subscriptions:read"]);
    const csrf = await browser.csrf();
    const page = await browser.post(`/console${path.replace(/:\w+/, ended.job.id)}`, { csrf });
    expect(page.status).toBe(403);
    expect(page.text).toContain(`the scope ${scope}`);
  });

  test.each(actions)("$path is refused without the session's token", async ({ path }) => {
    const address = `/console${path.replace(/:\w+/, ended.job.id)}`;
    const other = await (await fixture.signedIn()).csrf();
    const csrf = await admin.csrf();
    for (const fields of [{}, { csrf: "" }, { csrf: "h1.x" }, { csrf: other }]) {
      expect((await admin.post(address, fields)).status).toBe(403);
    }
    for (const site of ["cross-site", "same-site", "none"]) {
      const headers = { "sec-fetch-site": site };
      expect((await admin.post(address, { csrf }, { headers })).status).toBe(403);
    }
    const headers = { "sec-fetch-site": null, origin: "https://evil.example" };
    expect((await admin.post(address, { csrf }, { headers })).status).toBe(403);
  });

  test("a change is never made by a GET", async () => {
    const gets = ROUTES.filter(({ method }) => method === "GET");
    const pages = new Set(gets.map(({ path }) => path));
    for (const { path } of actions.filter(({ path }) => !pages.has(path))) {
      const page = await admin.get(`/console${path.replace(/:\w+/, ended.job.id)}`);
      expect(page.status, path).toBe(404);
    }
  });

  test("the page polls a job now, and says so once", async () => {
    const csrf = await admin.csrf();
    const done = await admin.post(`${pathOf(live)}/poll`, { csrf, subscription: live.id });
    expect(done).toMatchObject({ status: 303, location: pathOf(live) });
    expect(fixture.api.calls.map(([name]) => name)).toContain("pollNow");
    expect(await admin.open(pathOf(live))).toContain("The job is polled as soon as");
    expect(await admin.open(pathOf(live))).not.toContain("The job is polled as soon as");
  });

  test("the page sends a callback again", async () => {
    const page = await admin.open(pathOf(ended));
    const [, delivery = ""] = /name="delivery" value="(msg_[0-9a-f]+)"/.exec(page) ?? [];
    const csrf = await admin.csrf();
    const done = await admin.post(`${pathOf(ended)}/redeliver`, { csrf, delivery });
    expect(done).toMatchObject({ status: 303, location: pathOf(ended) });
    expect(fixture.api.calls.map(([name]) => name)).toContain("redelivered");
  });

  test("changes that the API refuses are explained on the same page", async () => {
    const csrf = await admin.csrf();
    const delivery = publicId("delivery", fixture.api.uuid());
    const done = await admin.post(`${pathOf(ended)}/redeliver`, { csrf, delivery });
    expect(done).toMatchObject({ status: 303, location: pathOf(ended) });
    expect(await admin.open(pathOf(ended))).toContain(`There is no delivery ${delivery}.`);
  });

  test("the page asks the provider to cancel a job", async () => {
    const doomed = await fixture.api.subscribe({ job_id: "doomed" });
    const csrf = await admin.csrf();
    await admin.post(`${pathOf(doomed)}/cancel`, { csrf, subscription: doomed.id });
    const [, told] = fixture.api.calls.findLast(([name]) => name === "unsubscribed") ?? [];
    expect(told).toMatchObject({ cancelJob: true });
  });

  test("a job is given more time, as far as its provider allows", async () => {
    expect(await admin.open(pathOf(live))).toContain("Extend deadline…");
    const csrf = await admin.csrf();
    const deadline_s = String(14 * 86_400);
    const done = await admin.post(`${pathOf(live)}/extend`, { csrf, deadline_s });
    expect(done).toMatchObject({ status: 303, location: pathOf(live) });
    const at = fixture.api.clock.now() + 14 * 86_400_000;
    expect(await admin.open(pathOf(live))).toContain(new Date(at).toISOString().slice(0, 19));
    await admin.post(`${pathOf(live)}/extend`, { csrf, deadline_s: "999999999" });
    expect(await admin.open(pathOf(live))).toContain("the longest that pulse allows");
  });

  test("the page ignores a flash message that it did not write", async () => {
    admin.cookies.set("__Host-ringback_notice", "v2.00000000.AAAA");
    expect(await admin.open("/console/jobs")).toContain('id="notice"');
  });
});

test("connections show their load over all nodes, the part of each, and whose part is missing", async () => {
  const { api } = fixture;
  const [{ id }] = await api.sql("select id from connections where project_id = $1", [
    api.projectId,
  ]);
  const load = {
    ...LANE_FREE,
    jobs: 1_200,
    inFlight: 3,
    waiting: 800,
    behindMs: 12_500,
    requestsPerSecond: 10.25,
    hold: "rate",
  } as const;
  const here = { ...load, jobs: 34, waiting: 0, behindMs: 0, hold: null };
  api.loadsByConnection.set(id, [
    { nodeId: NODES[0], load: here },
    { nodeId: NODES[1], load },
  ]);
  api.missingNodes = [NODES[2]];
  const page = await admin.open("/console/connections");
  for (const text of [
    "1,234",
    "6 in progress, 800 waiting",
    "20.5 polls a second",
    "2 nodes",
    ...NODES,
  ]) {
    expect(page, text).toContain(text);
  }
  expect(page).toContain("One node did not answer in time");
  // This node's own data shows no delay.
  expect(await admin.open("/console/overview")).toContain("can't keep up: 800 polls wait");
  api.loadsByConnection.clear();
  api.missingNodes = [];
  expect(await admin.open("/console/connections")).toContain("none");
});

const NODES = [1, 2, 3].map((digit) => `019b76da-9800-7034-a5b6-c7d8e9f0011${digit}`) as [
  string,
  string,
  string,
];
