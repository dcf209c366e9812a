import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../api/api-fixture.ts";
import { ConsoleFixture } from "./console-fixture.ts";

let fixture: ConsoleFixture;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  const { id } = await fixture.api.subscribe({ job_id: "completed" });
  await fixture.api.end(id, { result: "1" });
});
afterAll(() => fixture.close());

test.each([
  ["events", "Error"],
  ["jobs", "Error"],
  ["deliveries", "Last error"],
])("an empty cell is left out with its title on a phone: %s, %s", async (path, title) => {
  const reader = await fixture.signedIn(["subscriptions:read"]);
  const text = await reader.open(`/console/${path}`);
  // A cell with an element in it has its title, even if the element is empty.
  expect(text).toMatch(new RegExp(`class="[^"]*none"\\s+data-title="${title}"\\s*>\\s*</td`));
});

test.each(["subscriptions", "deliveries", "events"])(
  "the empty list of %s teaches the first command, and not a visitor with a link",
  async (path) => {
    const projectId = fixture.api.uuid();
    await fixture.api.addProject(projectId, `empty ${path}`);
    const key = await fixture.api.addKey(["admin"], { projectId });
    const browser = fixture.browser();
    await browser.signIn(key);
    expect(await browser.open(`/console/${path}`)).toContain("/v1/subscriptions");
    const body = { metadata: "customer=acme" };
    const made = await fixture.api.request("POST", "/v1/console-links", { body, key });
    const { url } = (await made.json()) as Json;
    const text = await fixture.browser().open(`${new URL(url).pathname}subscriptions`);
    expect(text).toContain("No subscriptions yet");
    expect(text).not.toContain("/v1/subscriptions");
  },
);
