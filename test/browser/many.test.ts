import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../support/api-client.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { seedDeliveries } from "../support/seeded-deliveries.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { launchBrowser } from "./browser.ts";
import { signIn, visit } from "./pages.ts";

const DELIVERIES = 100_000;
/** Few enough for one statement on a slow disk. */
const ROWS_AT_ONCE = 5000;
const DAY_MS = 86_400_000;

let browser: Browser;
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
let projectId: string;

beforeAll(async () => {
  [browser, gateway, upstream, receiver] = await Promise.all([
    launchBrowser(),
    startTestGateway({ RINGBACK_RETRY_SCHEDULE_S: "0.05" }),
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  await gateway.api("POST", "/v1/connections", {
    provider: "pulse",
    credential: "pulse-key",
    base_url: upstream.origin,
    settings: { poll_interval_s: 0.05 },
  });
  const [project] = await gateway.sql`select id from projects`;
  projectId = project?.["id"] as string;
  await seed(ROWS_AT_ONCE, Date.now() - DAY_MS);
  for (let have = ROWS_AT_ONCE; have < DELIVERIES; have += ROWS_AT_ONCE) {
    await gateway.sql`
      insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
        callback_origin, status, attempt_count, created_at, finished_at)
      select shard_id, overlay(id::text placing lpad(to_hex(${have}::int), 5, '0') from 25 for 5)::uuid,
        project_id, subscription_id, event_id, event_type, callback_origin, status, attempt_count,
        created_at, finished_at
      from deliveries limit ${ROWS_AT_ONCE}`;
  }
  await gateway.sql`analyze deliveries, jobs, subscriptions, events`;
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([upstream?.close(), receiver?.close()]);
  await gateway?.discard();
});

function seed(count: number, fromMs: number): Promise<void> {
  const origins = ["https://app.example.com"];
  return seedDeliveries(gateway.sql, { count, projectId, origins, status: "delivered", fromMs });
}

async function subscribe(jobId: string, path: string): Promise<Json> {
  const wish = { job_id: jobId, callback_url: receiver.url(path) };
  const { status, body, text } = await gateway.api("POST", "/v1/subscriptions", wish);
  if (status !== 201) throw new Error(text);
  return body;
}

test("a failed callback is found among 100,000, understood, and sent again on one page load", async () => {
  receiver.answer("/broken", { status: 500, body: "database is locked" });
  upstream.answer("invoice-17", pulseAnswer.completed("{}"));
  const { id } = await subscribe("invoice-17", "/broken");
  await gateway.until(`/v1/subscriptions/${id}`, ({ status }) => status === "exhausted");
  const [{ count }] = await gateway.sql<[{ count: number }]>`
    select count(*)::int from deliveries`;
  expect(count).toBeGreaterThan(DELIVERIES);

  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  let loads = 0;
  page.on("load", () => (loads += 1));
  await page.getByRole("link", { name: "Deliveries", exact: true }).click();
  await page.getByRole("combobox", { name: "Status" }).selectOption("exhausted");
  await page.getByRole("button", { name: "Filter" }).click();
  const failed = page.locator("[data-row]");
  await expect.poll(() => failed.count()).toBe(1);
  await failed.getByRole("link").first().click();
  await page.getByText("the receiver answered 500").first().waitFor();
  await page.getByText("database is locked").first().waitFor({ state: "attached" });
  receiver.answer("/broken", { status: 204 });
  await page.getByText("Send again…").click();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.getByText("The callback was delivered").first().waitFor();
  expect(loads).toBe(0);
  expect(complaints).toEqual([]);
  await close();
});

interface Watched {
  frames: number;
  updates: number;
}

/** Counts, in the page, the frames that it draws and how often it reads itself again. */
const WATCH = `
  globalThis.watched = { frames: 0, updates: 0 };
  const frame = () => {
    watched.frames += 1;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  document.addEventListener("htmx:after:swap", () => (watched.updates += 1));
`;

test("a page that follows hundreds of new rows a second draws and takes input all the while", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/deliveries");
  const newest = page.locator("[data-row]").first();
  const before = await newest.getAttribute("id");
  await page.evaluate(WATCH);
  const search = page.getByRole("textbox", { name: "Job" });
  await search.focus();
  let typed = "";
  let rows = 0;
  const seen: Watched[] = [];
  while (seen.length < 3) {
    // Ids are made of the time, so each row is the newest, and none is there twice.
    rows += 500;
    await seed(500, Date.now());
    const letter = String.fromCharCode(97 + (typed.length % 26));
    await page.keyboard.press(letter);
    typed += letter;
    expect(await search.inputValue()).toBe(typed);
    const now = await page.evaluate<Watched>("({ ...watched })");
    if (now.updates > (seen.at(-1)?.updates ?? 0)) seen.push(now);
  }
  expect(rows).toBeGreaterThanOrEqual(1500);
  expect(await newest.getAttribute("id")).not.toBe(before);
  // Drawn between any two of its updates.
  const frames = seen.map((one) => one.frames);
  expect(frames).toEqual(frames.toSorted((a, b) => a - b));
  expect(new Set(frames).size).toBe(frames.length);
  await page.locator("input:focus").waitFor();
  expect(await page.locator("input:focus").getAttribute("name")).toBe("job");
  expect(complaints).toEqual([]);
  await close();
});

test("a page that follows new rows keeps scroll and selection, and waits for a reader who selects or pauses", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/deliveries");
  await page.evaluate(WATCH);
  const watched = () => page.evaluate<Watched>("({ ...watched })");
  const newest = page.locator("[data-row]").first();
  /** Waits until the page shows a row that was just made. */
  const isFollowed = async (): Promise<void> => {
    const before = await newest.getAttribute("id");
    await seed(10, Date.now());
    await expect.poll(() => newest.getAttribute("id"), { timeout: 60_000 }).not.toBe(before);
  };
  // A row in the middle stays where it is, while others come in above it.
  const middle = await page.locator("[data-row]").nth(25).getAttribute("id");
  const placeOf = () =>
    page.evaluate<number>(`document.querySelector("#${middle}").getBoundingClientRect().top`);
  await page.evaluate(`document.querySelector("#${middle}").scrollIntoView({ block: "center" })`);
  const place = await placeOf();
  await isFollowed();
  expect(Math.abs((await placeOf()) - place)).toBeLessThan(2);

  const selected = () => page.evaluate("getSelection().toString()");
  await page.evaluate(
    'getSelection().selectAllChildren(document.querySelectorAll("[data-row] td")[1])',
  );
  const text = await selected();
  const before = await newest.getAttribute("id");
  await seed(10, Date.now());
  const { frames, updates } = await watched();
  // More frames than three rounds of reading again take.
  await expect
    .poll(async () => (await watched()).frames, { timeout: 60_000 })
    .toBeGreaterThan(frames + 400);
  expect(await selected()).toBe(text);
  expect((await watched()).updates).toBe(updates);
  expect(await newest.getAttribute("id")).toBe(before);
  await page.evaluate("getSelection().removeAllRanges()");
  await expect.poll(() => newest.getAttribute("id"), { timeout: 60_000 }).not.toBe(before);

  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Resume live updates" }).waitFor();
  const paused = await newest.getAttribute("id");
  await seed(10, Date.now());
  const atPause = await watched();
  await expect
    .poll(async () => (await watched()).frames, { timeout: 60_000 })
    .toBeGreaterThan(atPause.frames + 400);
  expect(await newest.getAttribute("id")).toBe(paused);
  await page.keyboard.press("p");
  await expect.poll(() => newest.getAttribute("id"), { timeout: 60_000 }).not.toBe(paused);
  expect(complaints).toEqual([]);
  await close();
});
