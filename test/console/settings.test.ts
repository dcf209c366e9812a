import { afterAll, beforeAll, expect, test } from "vitest";
import {
  noteOperationalEvents,
  settleOperationalEvent,
} from "../../src/store/events/operational-events.ts";
import type { Json } from "../api/api-fixture.ts";
import { type Browser, ConsoleFixture } from "./console-fixture.ts";

let fixture: ConsoleFixture;
let admin: Browser;
let csrf: string;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  admin = await fixture.signedIn(["admin"]);
  csrf = await admin.csrf();
});

afterAll(() => fixture.close());

/** The API's own response. */
async function ask(path: string): Promise<Json> {
  const response = await fixture.api.request("GET", path);
  return response.json();
}

/** Sends a form of the console, and gives the page that it leads to. */
async function change(path: string, fields: Readonly<Record<string, string>>): Promise<string> {
  const { location, text } = await admin.post(`/console/${path}`, { csrf, ...fields });
  return location === null ? text : admin.open(location);
}

test("rotating the signing secret keeps the old one for as long as was chosen", async () => {
  const secretsOf = async (): Promise<Json[]> => (await ask("/v1/signing-secrets")).data;
  await change("signing/rotate-secret", { overlap_s: "3600" });
  const [current] = await secretsOf();
  const page = await change("signing/rotate-secret", { overlap_s: "3600" });
  expect(page).toContain("signed with a new secret");
  expect(page).toContain(current?.secret);
  const replaced = (await secretsOf()).find(({ id }) => id === current?.id);
  const until = Date.parse(replaced?.expires_at ?? "");
  expect(until).toBe(fixture.api.clock.now() + 3_600_000);
  expect(await change("signing/rotate-key", { overlap_s: "0" })).toContain("with a new key");
});

test("the project's settings are saved, emptied again, and refused in the API's words", async () => {
  const saved = await change("project/change", {
    callback_concurrency: "7",
    retry_schedule_s: "1, 2.5",
  });
  expect(saved).toContain('value="7"');
  expect(saved).toContain('value="1, 2.5"');
  expect(await ask("/v1/project")).toMatchObject({
    callback_concurrency: 7,
    retry_schedule_s: [1, 2.5],
  });
  expect(await change("project/change", { callback_concurrency: "many" })).toContain("notice bad");
  await change("project/change", {});
  expect(await ask("/v1/project")).toMatchObject({
    callback_concurrency: null,
    retry_schedule_s: null,
  });
});

test("every change made here is in the audit log, with the key that made it", async () => {
  await change("project/change", { callback_concurrency: "9" });
  const log = await admin.open("/console/audit-log");
  expect(log).toContain("project.changed");
  expect(log).toMatch(/key_[0-9a-f]{32}/);
});

test("a key that may only read sees neither the pages nor the actions of an administrator", async () => {
  const reader = await fixture.signedIn(["subscriptions:read"]);
  const events = await reader.open("/console/events");
  for (const section of ["signing", "project", "audit-log"]) {
    expect(events).not.toContain(`href="./${section}"`);
    expect((await reader.get(`/console/${section}`)).status).toBe(403);
  }
  const token = await reader.csrf();
  for (const action of ["signing/rotate-secret", "signing/rotate-key", "project/change"]) {
    expect((await reader.post(`/console/${action}`, { csrf: token })).status).toBe(403);
  }
});

test("operational events are listed with their exact body, where they went and whether they arrived", async () => {
  const teaching = await admin.open("/console/operational-events");
  expect(teaching).toContain("&quot;operations_url&quot;");
  const { api } = fixture;
  const { projectId, database } = api;
  await change("project/change", { operations_url: "https://app.example.com/operations" });
  expect(await admin.open("/console/operational-events")).toContain("No event in the last day");
  const eventOf = (subject: string, type: string, data: string): Json => ({
    shardId: 0,
    projectId,
    subject,
    id: api.uuid(),
    type,
    data,
    occurrences: 3,
    occurredAtMs: api.clock.now(),
    isWanted: true,
  });
  const unknown = '{"provider":"pulse","status":"<b>1</b>","count":12345678901234567890.10}';
  const status = eventOf("provider", "provider.unknown_status", unknown);
  const origin = '{"callback_origin":"https://app.example.com"}';
  await noteOperationalEvents(database, [
    status,
    eventOf("callback origin", "callback_origin.failing", origin),
  ]);
  await settleOperationalEvent(
    database,
    { ...status, attemptCount: 0 },
    {
      isDelivered: false,
      isTried: true,
      nowMs: api.clock.now(),
      nextAttemptAtMs: null,
      settledAs: "exhausted",
      sentTo: "https://app.example.com/operations",
      httpStatus: 410,
      lastError: "The receiver answered 410.",
    },
  );
  const page = await admin.open("/console/operational-events");
  expect(page.indexOf("callback_origin.failing</span>")).toBeLessThan(
    page.indexOf("provider.unknown_status</span>"),
  );
  expect(page).toContain("12345678901234567890.10");
  expect(page).not.toContain("<b>1</b>");
  expect(page).toContain("The receiver answered 410.");
  expect(page).toContain("exhausted</span>");
  expect(page).toContain("pending</span>");
  expect(page).toContain(">https://app.example.com/operations</span>");
  const failing = await admin.open("/console/operational-events?type=callback_origin.failing");
  expect(failing).not.toContain("provider.unknown_status</span>");
  const none = await admin.open("/console/operational-events?type=connection.paused");
  expect(none).toContain("No event of this type");
});
