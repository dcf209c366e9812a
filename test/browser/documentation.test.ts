import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { API_KEY } from "../support/gateway-environment.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { launchBrowser } from "./browser.ts";
import { expectAccessible, screenshot, signIn, visit } from "./pages.ts";

let browser: Browser;
let gateway: TestGateway;
const SLOWLY = { timeout: 120_000 };

beforeAll(async () => {
  [browser, gateway] = await Promise.all([
    launchBrowser(),
    startTestGateway({ RINGBACK_SANDBOX: "1" }),
  ]);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await gateway?.discard();
});

test("the reference shows, finds and samples operations, sends no requests elsewhere, and breaks no rule of its policy", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await page.goto("/docs");
  await page.getByRole("link", { name: "Subscriptions" }).first().waitFor(SLOWLY);
  await page.getByRole("button", { name: "Search" }).first().click();
  await page.getByRole("combobox").or(page.getByPlaceholder("Search")).first().fill("redeliver");
  await page.getByText("/v1/deliveries/{id}/redeliver").first().waitFor(SLOWLY);
  await page.goto("/docs#tag/subscriptions/POST/v1/subscriptions");
  await page.getByText("/v1/subscriptions").first().waitFor(SLOWLY);
  await page.goto("/docs/guides");
  await page.getByText("Verify a callback").first().waitFor(SLOWLY);
  expect(complaints).toEqual([]);
  await close();
}, 180_000);

test("the start page runs the whole loop through the sandbox", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await page.goto("/");
  await expectAccessible(page);
  await page.getByLabel("API key").fill(`${API_KEY}-wrong`);
  await page.getByRole("button", { name: "Run the loop" }).click();
  await page.locator("ol .bad").waitFor(SLOWLY);
  await page.getByLabel("API key").fill(API_KEY);
  await page.getByRole("button", { name: "Run the loop" }).click();
  await page.getByText('"type": "job.completed"').waitFor(SLOWLY);
  const steps = await page.locator("ol").innerText();
  expect(steps).toContain("the subscription is delivered");
  expect(steps).toContain("its signature is verified");
  await expectAccessible(page);
  await page.getByRole("link", { name: "See its whole story in the console" }).click();
  await page.getByRole("heading", { name: "Ringback console" }).waitFor(SLOWLY);
  // The browser itself reports the response to the wrong key.
  expect(complaints.filter((one) => !one.includes("401"))).toEqual([]);
  await close();
}, 180_000);

test("the console's sandbox runs jobs, and shows what comes back of each", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.getByRole("link", { name: "Sandbox" }).click();
  await page.getByLabel("After seconds").fill("0");
  await page.getByLabel("Result, JSON").fill('{"id": 12345678901234567890}');
  await page.getByRole("button", { name: "Run the job" }).click();
  await page.getByText("signature verified").waitFor(SLOWLY);
  await page.getByText("Headers and body").click();
  await page.locator(".json summary", { hasText: "result" }).click();
  await page.getByText("12345678901234567890").first().waitFor(SLOWLY);
  await screenshot(page, "sandbox-run-light");
  await expectAccessible(page);

  await page.getByLabel("The job ends as").selectOption("failed");
  await page.getByLabel("The receiver").selectOption("late");
  await page.getByRole("button", { name: "Run the job" }).click();
  await page.getByRole("heading", { name: "Callback, attempt 3" }).waitFor(SLOWLY);
  expect(await page.getByText("answered 503").count()).toBe(2);

  await page.getByLabel("The receiver").selectOption("pulled");
  await page.getByRole("button", { name: "Run the job" }).click();
  await page.getByRole("heading", { name: "A message in the inbox" }).waitFor(SLOWLY);
  expect(complaints).toEqual([]);
  await close();
}, 180_000);
