import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../api/api-fixture.ts";
import { type Browser, ConsoleFixture } from "./console-fixture.ts";
import { diffLines } from "../../src/console/view/diff.ts";

let fixture: ConsoleFixture;
let admin: Browser;
let csrf: string;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  admin = await fixture.signedIn(["admin"]);
  csrf = await admin.csrf();
});
afterAll(() => fixture.close());

const HOSTILE = "<script>alert(1)</script>";
const ACME = {
  title: `Acme ${HOSTILE}`,
  base_url: "https://api.acme.example",
  auth: { kind: "bearer" },
  status: { path: "/jobs/{job_id}" },
  rules: [
    { http_status: 200, all: [{ pointer: "/state", eq: "busy" }], observe: "running" },
    { http_status: 200, all: [{ pointer: "/state", eq: "done" }], observe: "completed" },
  ],
};

/** Sends a form of the console, and gives the page that it leads to. */
async function submit(path: string, fields: Readonly<Record<string, string>>): Promise<string> {
  const { location, text } = await admin.post(`/console/${path}`, { csrf, ...fields });
  return location === null ? text : admin.open(location);
}

async function stored(): Promise<Json> {
  return (await fixture.api.request("GET", "/v1/providers/acme")).json();
}

test("the catalogue is searched by name, title and host", async () => {
  const all = await admin.open("/console/providers");
  expect(all).toContain("./providers/pulse");
  expect(all).toContain("./providers/firecrawl");
  const found = await admin.open("/console/providers?q=batch+openai");
  expect(found).toContain("./providers/openai-batch");
  expect(found).not.toContain("./providers/firecrawl");
  expect(await admin.open("/console/providers?q=nothing-like-it")).toContain("No provider matches");
});

test("a definition is shown with the help of its schema, to keys that may only read without a door to change it", async () => {
  const text = await admin.open("/console/providers/pulse");
  expect(text).toContain("Fields of a definition");
  expect(text).toContain("The name of the provider in subscriptions and connections.");
  expect(text).toContain("Try on an answer");
  const reader = await fixture.signedIn(["subscriptions:read"]);
  const read = await reader.open("/console/providers/pulse");
  expect(read).toContain("Fields of a definition");
  expect(read).not.toContain("Try on an answer");
  expect((await reader.get("/console/providers/pulse/edit")).status).toBe(403);
});

test("a definition of one's own is begun, checked, compared with the last version, and put", async () => {
  const begun = await admin.get("/console/provider-new?name=acme");
  expect(begun.location).toBe("/console/providers/acme/edit");
  expect(await admin.open("/console/providers/acme/edit")).toContain("api.example.com");

  const edit = "providers/acme/edit";
  expect(await submit(edit, { definition: "{" })).toContain("It is not JSON");
  const wrong = await submit(edit, { definition: JSON.stringify({ ...ACME, rules: "none" }) });
  expect(wrong).toContain("<code>/definition/rules</code>");
  const first = await submit(edit, { definition: JSON.stringify(ACME) });
  expect(first).toContain("Put it");
  expect(first).not.toContain(HOSTILE);
  expect((await fixture.api.request("GET", "/v1/providers/acme")).status).toBe(404);

  await submit("providers/acme/put", { definition: JSON.stringify(ACME) });
  expect(await stored()).toMatchObject({ version: 1, title: ACME.title });
  const changed = JSON.stringify({ ...ACME, deadline_s: 7200 });
  const compared = await submit(edit, { definition: changed });
  expect(compared).toContain('<li class="added"');
  expect(compared).toContain("&quot;deadline_s&quot;: 7200");
  expect(compared).toContain("Put this version");
  expect(await submit("providers/acme/put", { definition: changed })).toContain("Version 2");
  expect(await submit(edit, { definition: changed })).toContain(
    "Nothing has changed since the last version",
  );

  const versions: Json = await (
    await fixture.api.request("GET", "/v1/providers/acme/versions")
  ).json();
  expect(versions.data).toMatchObject([{ version: 2, deleted_at: null }, { version: 1 }]);
  expect(await admin.open("/console/providers/acme")).toContain("Versions, newest first");
});

test("each version of a definition is read, with its author and time, compared with any other, and begun from", async () => {
  for (const seconds of [10, 20, 30]) {
    const definition = JSON.stringify({ ...ACME, deadline_s: seconds * 100 });
    await submit("providers/versioned/put", { definition });
  }
  const page = await admin.open("/console/providers/versioned");
  expect(page).toContain("../providers/versioned/versions?version=1");
  expect(page).toContain("versions?version=3&amp;against=2");
  const first = await admin.open("/console/providers/versioned/versions?version=1");
  expect(first).toContain("&quot;deadline_s&quot;: 1000");
  expect(first).toContain("<h2>Version 1</h2>");
  expect(first).toMatch(/<dt>By<\/dt>\s*<dd>\s*<span class="mono" title="key_[0-9a-f]{32}"/);
  expect(first).not.toContain(HOSTILE);
  const path = "/console/providers/versioned/versions?version=1&against=3";
  const compared = await admin.open(path);
  expect(compared).toContain("From version 3 to version 1");
  const changed =
    /<li class="(\w+)">\s*<span[^>]*>.<\/span><span class="unseen">[^<]*<\/span><span class="line">([^<]*)<\/span>/g;
  expect(Array.from(compared.matchAll(changed), ([, kind, text]) => [kind, text])).toEqual([
    ["removed", "  &quot;deadline_s&quot;: 3000"],
    ["added", "  &quot;deadline_s&quot;: 1000"],
  ]);
  const reader = await fixture.signedIn(["subscriptions:read"]);
  expect(await reader.open(path)).not.toContain("Edit from this version");
  const edited = await admin.open("/console/providers/versioned/edit?version=1");
  expect(edited).toContain("&quot;deadline_s&quot;: 1000");
  for (const version of ["4", "0", "x", "..%2F..", "99999999999"]) {
    const missing = await admin.get(`/console/providers/versioned/versions?version=${version}`);
    expect(missing.status, version).toBe(404);
  }
  expect(await admin.open("/console/providers/pulse/versions")).toContain("No versions");
});

test("an edited definition is tried on an answer before it is put, with the same trace as by the API", async () => {
  const rules = [
    { http_status: 200, all: [{ pointer: "/state", eq: "fin" }], observe: "completed" },
  ];
  const definition = { ...ACME, rules };
  await submit("providers/edited/put", { definition: JSON.stringify(ACME) });
  const fields = {
    definition: JSON.stringify(definition),
    check: "try",
    answer: '{"state": "fin"}',
  };
  const text = await submit("providers/edited/edit", fields);
  expect(text).toContain("Rules, in their order");
  expect(text).toMatch(/matches<\/span>\s*<\/td>\s*<td[^>]*>\s*<code>\/rules\/0<\/code>/);
  const trial = await fixture.api.request("POST", "/v1/providers/edited/try", {
    body: { definition, answer: { status: 200, body: fields.answer } },
  });
  const { consequence }: Json = await trial.json();
  expect(text).toContain(consequence);
  expect(text).toContain("Put this version");
  expect(text).toContain("{&quot;state&quot;: &quot;fin&quot;}</textarea>");
  const wrong = await submit("providers/edited/edit", {
    ...fields,
    answer: '{"status": 9, "body": 1}',
  });
  expect(wrong).toContain('role="alert"');
  expect((await fixture.api.request("GET", "/v1/providers/edited/versions/2")).status).toBe(404);
  const version = await fixture.api.request("GET", "/v1/providers/edited/versions/1");
  expect(await version.json()).toMatchObject({
    object: "provider_version",
    version: 1,
    created_by: expect.stringMatching(/^key_[0-9a-f]{32}$/),
    definition: { ...ACME, name: "edited" },
  });
});

test("a provider that comes along is copied, and not changed", async () => {
  expect(await admin.open("/console/providers/firecrawl/edit")).toContain("Name of the copy");
  const begun = await admin.get("/console/provider-new?name=my-crawl&from=firecrawl");
  const text = await admin.open(begun.location ?? "");
  expect(text).toContain("&quot;name&quot;: &quot;my-crawl&quot;");
  expect(text).toContain("api.firecrawl.dev");
});

test("an answer is tried as curl printed it: each rule's decision, and what was found where", async () => {
  const path = "providers/pulse/try";
  expect(await admin.open(`/console/${path}`)).toContain("Answer: what curl -i printed");
  const answer = `HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n{"job_id":"a","status":"completed","result":{"total":1.10,"x":"${HOSTILE}"}}`;
  const text = await submit(path, { kind: "status", answer });
  expect(text).toContain("matches");
  expect(text).toContain("Found");
  expect(text).toContain("1.10");
  expect(text).not.toContain(HOSTILE);
  const bare = await submit(path, { kind: "status", answer: "gone", status: "410" });
  expect(bare).toContain("HTTP's own meaning applies");
});

test("the answer to a submission is tried, and a job is asked for now", async () => {
  const path = "providers/pulse/try";
  const submission = await submit(path, {
    kind: "submission",
    path: "/extract",
    answer: '{"job_id": "abc-17", "status": "pending"}',
  });
  expect(submission).toContain("The job that was submitted");
  expect(submission).toContain("abc-17");
  await submit(path, { kind: "job", job: "abc-17" });
  expect(fixture.api.calls.map(([name]) => name)).toContain("tryLive");
  const wrong = await submit(path, { kind: "status", answer: '{"status": 9, "body": "x"}' });
  expect(wrong).toContain('role="alert"');
});

test("the limits of a connection are set and emptied, and other settings stay", async () => {
  const ask = async (path: string): Promise<Json> =>
    (await fixture.api.request("GET", path)).json();
  const [{ id }] = (await ask("/v1/connections")).data;
  const settings = async (): Promise<Json> => (await ask(`/v1/connections/${id}`)).settings;
  const shown = await submit(`connections/${id}/limits`, {
    concurrency: "3",
    requests_per_second: "0.5",
    poll_interval_s: "7",
  });
  expect(shown).toContain('value="0.5"');
  expect(await settings()).toEqual({
    limits: { concurrency: 3, requests_per_second: 0.5 },
    poll_interval_s: 7,
  });
  await submit(`connections/${id}/limits`, { poll_interval_s: "8" });
  expect(await settings()).toEqual({ limits: {}, poll_interval_s: 8 });
  expect(await submit(`connections/${id}/limits`, { concurrency: "many" })).toContain("notice bad");
});

test("sending selected deliveries again comes back to the same filter", async () => {
  const { location } = await admin.post("/console/deliveries/redeliver?status=exhausted", { csrf });
  expect(location).toBe("/console/deliveries?status=exhausted");
});

test("a comparison keeps the order of lines, and of two long texts shows all", () => {
  const kinds = (before: string, after: string): string =>
    diffLines(before, after)
      .map(({ kind, text }) => `${{ same: " ", removed: "-", added: "+" }[kind]}${text}`)
      .join("");
  expect(kinds("a\nb\nc\nd", "a\nc\nx\nd")).toBe(" a-b c+x d");
  expect(kinds("a", "a")).toBe(" a");
  expect(kinds("a\na", "a\na\na")).toBe(" a a+a");
  const long = (word: string): string =>
    Array.from({ length: 2000 }, (_, n) => word + n).join("\n");
  expect(diffLines(long("a"), long("b"))).toHaveLength(4000);
});
