import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SECTIONS } from "../../src/console/view/sections.ts";
import { exampleSource } from "../providers/example-provider.ts";
import type { Json } from "../support/api-client.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { launchBrowser } from "./browser.ts";
import { expectAccessibleInEachLook, signIn, visit } from "./pages.ts";

const RESULT = `{"pages": [{"number": 1, "total": 1.10, "id": 12345678901234567890, "markdown": "# Invoice 17"}], "pageCount": 1, "isFinal": true, "next": null}`;

const LONG_ID =
  "a-job-id-that-a-provider-made-of-several-parts-2026-11-29T23:59:59Z-0001-eu-central";

let browser: Browser;
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
/** Its receiver answers 500 until a test mends it. */
let failed: Json;
/** Its result has several parts. */
let large: Json;
/** It is polled all the time. */
let running: Json;

beforeAll(async () => {
  [browser, gateway, upstream, receiver] = await Promise.all([
    launchBrowser(),
    startTestGateway({ RINGBACK_RETRY_SCHEDULE_S: "0.05", RINGBACK_SANDBOX: "1" }),
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  const made = await gateway.api("POST", "/v1/connections", {
    provider: "pulse",
    credential: "pulse-key",
    base_url: upstream.origin,
    settings: { poll_interval_s: 0.05 },
  });
  expect(made.status).toBe(201);
  await gateway.api("PATCH", "/v1/project", { operations_url: receiver.url("/operations") });
  receiver.answer("/broken", () => ({ status: 500, body: "database is locked" }));
  upstream.answer("invoice-17", pulseAnswer.completed(RESULT));
  upstream.answer("invoice-18", pulseAnswer.processing({ pages: 3, of: 12 }));
  upstream.answer(LONG_ID, pulseAnswer.failed("The file is encrypted."));
  failed = await subscribe("invoice-17", "/broken", {
    metadata: { invoice: 17, customer: "Acme" },
  });
  running = await subscribe("invoice-18", "/fine");
  await subscribe(LONG_ID, "/fine");
  for (const title of ["Acme", "Acme jobs"]) {
    const definition = { ...exampleSource, name: "acme", title };
    const { status } = await gateway.api("PUT", "/v1/providers/acme", definition);
    expect(status).toBeLessThan(300);
  }
  const rows = Array.from({ length: 20_000 }, (_, n) => `{"row": ${n}.10, "text": "€"}`);
  upstream.answer("large", pulseAnswer.completed(`[${rows.join(",\n")}]`));
  large = await subscribe("large", "/fine");
  await gateway.api("POST", "/v1/redeliveries", { status: "exhausted", dry_run: true });
  await gateway.until(`/v1/subscriptions/${failed.id}`, ({ status }) => status === "exhausted");
  await gateway.until("/v1/operational-events", ({ data }) => data[0]?.status === "delivered");
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([upstream?.close(), receiver?.close()]);
  await gateway?.discard();
});

async function subscribe(jobId: string, path: string, fields: object = {}): Promise<Json> {
  const { status, body, text } = await gateway.api("POST", "/v1/subscriptions", {
    job_id: jobId,
    callback_url: receiver.url(path),
    ...fields,
  });
  if (status !== 201) throw new Error(text);
  return body;
}

/** Each page is looked at as a whole and in every look, which takes seconds on a machine that does other work. */
const EVERY_PAGE_TIMEOUT_MS = 400_000;

test(
  "every page can be used by everybody, light, dark and on a phone",
  { timeout: EVERY_PAGE_TIMEOUT_MS },
  async () => {
    const { page, complaints, close } = await visit(browser, gateway.url, "phone");
    const seen = (name: string): Promise<void> => expectAccessibleInEachLook(page, name);
    await page.goto("/console/sign-in");
    await seen("sign-in");
    await signIn(page);
    for (const { path } of Object.values(SECTIONS)) {
      await page.goto(`/console/${path}`);
      await seen(path);
    }
    await page.goto("/console/jobs?q=no-such-job");
    await seen("jobs-none");
    await page.goto("/console/providers/pulse");
    await seen("provider");
    await page.goto("/console/providers/pulse/edit");
    await page.getByRole("button", { name: "Compare with the last version" }).click();
    await page.getByRole("status").waitFor();
    await seen("provider-edit");
    await page.goto("/console/providers/pulse/try");
    await page.getByLabel("Answer: what curl").fill('{"job_id": "a", "status": "completed"}');
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.getByRole("heading", { name: "Found" }).waitFor();
    await seen("provider-try");
    await page.goto("/console/providers/acme/edit");
    await page.getByText("Try it on an answer, before it is used").click();
    await page.getByLabel("Answer: what curl").fill('{"status": "done"}');
    await page.getByRole("button", { name: "Try it as it is here" }).click();
    await page.getByRole("heading", { name: "Found" }).waitFor();
    await seen("provider-edit-tried");
    await page.goto("/console/providers/acme/versions?version=2&against=1");
    await page.getByRole("heading", { name: "From version 1 to version 2" }).waitFor();
    await seen("provider-versions");
    await page.goto("/console/console-links");
    await page.getByLabel("Metadata as key=value").fill("customer=Acme");
    await page.getByRole("button", { name: "Make the link" }).click();
    await page.getByText("The link, shown this once").waitFor();
    await seen("console-link-made");
    await page.goto(`/console/jobs/${failed.job.id}`);
    await page.getByText("What is sent").first().click();
    await seen("job-exhausted");
    await page.goto(`/console/jobs/${running.job.id}`);
    await page.getByText('"job_id":"any"').waitFor();
    await page.locator("#answer-headers summary").click();
    await seen("job-running");
    await page.goto(`/console/jobs/${large.job.id}`);
    await page.getByRole("link", { name: "Read by part" }).click();
    await page.getByRole("link", { name: "Next part" }).click();
    await page.getByRole("heading", { name: "Part 2" }).waitFor();
    await seen("result-part");
    expect(complaints).toEqual([]);
    await close();
  },
);

test("a failed callback is found, understood and sent again, on one page load", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  let loads = 0;
  page.on("load", () => (loads += 1));
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("searchbox").fill("invoice-17");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("link", { name: "invoice-17" }).click();
  await page.getByText("the receiver answered 500").first().waitFor();
  receiver.answer("/broken", { status: 204 });
  await page.getByText("Send again…").click();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.getByText("The callback is sent again.").waitFor();
  await page.getByText("The callback was delivered").first().waitFor();
  expect(loads).toBe(0);
  expect(complaints).toEqual([]);
  await close();
});

test("a page that is looked at follows what happens, and keeps what a reader has opened", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  await subscribe("running", "/fine");
  upstream.answer("running", pulseAnswer.processing());
  await page.goto("/console/jobs");
  await page.getByRole("link", { name: "running" }).click();
  const question = page.locator("details.confirm").filter({ hasText: "Cancel job…" });
  await question.locator("summary").click();
  const polled = page.getByText(/^Polled \d+×$/);
  const before = await polled.textContent();
  await expect.poll(() => polled.textContent()).not.toBe(before);
  expect(await question.getAttribute("open")).toBe("");
  upstream.answer("running", pulseAnswer.completed(RESULT));
  await page.getByRole("heading", { name: "Result" }).waitFor();
  expect(complaints).toEqual([]);
  await close();
});

test("a page that can't be read again for a while stays, says so, and goes on", async () => {
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/jobs");
  const row = page.locator("[data-row] a.row").first();
  await row.waitFor();
  const refusal = {
    status: 503,
    contentType: "text/html",
    body: '<div id="page">Unavailable</div>',
  };
  const isReading = (url: URL): boolean => url.pathname === "/console/jobs";
  await page.route(isReading, (route) => route.fulfill(refusal));
  await page.locator('html[data-live="lost"]').waitFor();
  expect(await row.isVisible()).toBe(true);
  expect(await page.getByText("Unavailable").count()).toBe(0);
  await page.unroute(isReading);
  await page.locator('html[data-live="live"]').waitFor();
  await close();
});

test("keys go along a list and open, search and pause", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/jobs");
  const rows = page.locator("[data-row] a.row");
  const focused = page.locator("[data-row] a.row:focus");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const second = await focused.textContent();
  expect(second).toBe(await rows.nth(1).textContent());
  await page.keyboard.press("k");
  expect(await focused.textContent()).toBe(await rows.nth(0).textContent());
  await page.keyboard.press("/");
  const search = page.getByRole("searchbox");
  await page.keyboard.type("jp/");
  expect(await search.inputValue()).toBe("jp/");
  await search.blur();
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Resume live updates" }).waitFor();
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Pause live updates" }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Subscriptions" }).waitFor();
  expect(complaints).toEqual([]);
  await close();
});

test("everything can be read without scripts: signing in, filters, pages, details and results", async () => {
  const context = await browser.newContext({ baseURL: gateway.url, javaScriptEnabled: false });
  const page = await context.newPage();
  await signIn(page);
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByRole("searchbox").fill("invoice-17");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("link", { name: "invoice-17" }).click();
  await page.locator(".json li li summary").first().click();
  await page.getByText("12345678901234567890").first().waitFor();
  await page.getByText("What is sent").first().click();
  await page.getByText("webhook-id:").first().waitFor();
  await page
    .getByText(/^Attempt \d/)
    .last()
    .click();
  // Times are UTC where nothing can turn them into the reader's own.
  expect(await page.locator("time").first().textContent()).toMatch(/^\d{4}-\d\d-\d\d .* UTC$/);
  expect(await page.getByRole("button", { name: "live updates" }).isVisible()).toBe(false);
  await page.goto(`/console/jobs/${large.job.id}`);
  await page.getByRole("link", { name: "Read by part" }).click();
  await page.getByRole("link", { name: "Next part" }).click();
  await page.getByRole("heading", { name: "Part 2" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  await context.close();
});

test("times are the reader's own, with UTC on hover", async () => {
  const context = await browser.newContext({
    baseURL: gateway.url,
    locale: "en-GB",
    timezoneId: "Asia/Kolkata",
  });
  const page = await context.newPage();
  await signIn(page);
  await page.goto(`/console/jobs/${failed.job.id}`);
  const shown = page.locator("dl.facts time").first();
  const at = (await shown.getAttribute("datetime")) ?? "";
  const title = `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
  expect(await shown.getAttribute("title")).toBe(title);
  const there = new Date(Date.parse(at) + 5.5 * 3_600_000).toISOString();
  // Only the time is compared, since midnight there may have passed since.
  expect(await shown.textContent()).toContain(there.slice(11, 16));
  await context.close();
});
