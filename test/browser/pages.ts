import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type Axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { API_KEY } from "../support/gateway-environment.ts";

/* How pages of the console are looked at in a browser. */

/** In the page, once its script has run there. */
declare const axe: typeof Axe;

const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
/** For a person to look at after a run with `SCREENSHOTS=1`; they take a third of a second each. */
const SCREENSHOTS =
  process.env["SCREENSHOTS"] === "1" ? join(import.meta.dirname, "screenshots") : null;

/** Only ends what hangs. */
const ACTION_TIMEOUT_MS = 80_000;

export const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;

export type Look = keyof typeof LOOKS;

/** Somebody at a browser of their own; what a page complains of there is kept. */
export interface Visitor {
  readonly page: Page;
  /** Errors of scripts, refusals of the content security policy, and requests to other hosts. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export async function visit(browser: Browser, url: string, look: Look = "light"): Promise<Visitor> {
  const context = await browser.newContext({ ...LOOKS[look], baseURL: url, locale: "en-US" });
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_TIMEOUT_MS);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) complaints.push(`request: ${request.url()}`);
  });
  return { page, complaints, close: () => context.close() };
}

export async function signIn(page: Page, key = API_KEY): Promise<void> {
  await page.goto("/console/sign-in");
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

export async function screenshot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === null) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** The rules that depend on colors: the dark look has other colors, and is the light one otherwise. */
const COLOR_RULES = ["color-contrast", "link-in-text-block"];
const ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Fails with what WCAG 2.2 AA asks for and the page lacks. */
export async function expectAccessible(page: Page, runOnly = ALL_RULES): Promise<void> {
  const isLoaded = await page.evaluate(() => "axe" in globalThis);
  if (!isLoaded) await page.evaluate(AXE);
  const violations = await page.evaluate(async (rules) => {
    const { violations } = await axe.run({ runOnly: rules });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html}`);
  }, runOnly);
  expect(violations).toEqual([]);
}

/** The same in every look, the phone's last; the page keeps that one. */
export async function expectAccessibleInEachLook(page: Page, name: string): Promise<void> {
  for (const look of ["light", "dark", "phone"] as const) {
    const { colorScheme, viewport } = LOOKS[look];
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await screenshot(page, `${name}-${look}`);
    await expectAccessible(page, look === "dark" ? COLOR_RULES : ALL_RULES);
  }
}
