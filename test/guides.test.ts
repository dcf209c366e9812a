import { randomBytes } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/database.ts";
import {
  type GuideShell,
  type GuideStep,
  openProjectCopy,
  programsOf,
  replaceIn,
  runSteps,
  startShell,
  stepsOf,
  typeProblemsOf,
  unnamedCodeIn,
} from "./support/guide.ts";
import { unusedPorts } from "./support/ports.ts";

/*
 * Every command of README.md and docs/guides is run, and what it prints is held against what the guide shows. One
 * gateway serves the guides; it is started as the first of them says. Guides that start gateways of
 * their own do so on a database of their own.
 */

const FIRST = "docs/guides/first-subscription.md";
const README = "README.md";
const GUIDES = [README, ...globSync("docs/guides/*.md").sort()];
/** Both begin with how the gateway is started. README also says how the tests are run. */
const STARTING = [README, FIRST];
/** That README expects the reader to have set. */
const API_KEY = { RINGBACK_API_KEY: "rb_local_development" };
/** Readers replace this with their own database; the test creates one. */
const DATABASE_URL = "postgres://ringback:secret@db.example.com/ringback";
/** The ports in the guides; each becomes a free one. */
const PORTS = ["8080", "8081", "8082", "3000"];
/** Only ends what hangs. */
const TIMEOUT_MS = 400_000;

const project = openProjectCopy();
const databases: TestDatabase[] = [];
let replacements: Record<string, string> = {};
let gateway: GuideShell;

beforeAll(async () => {
  const ports = await unusedPorts(PORTS.length);
  replacements = Object.fromEntries(PORTS.map((port, index) => [port, String(ports[index])]));
  const [start] = stepsIn(FIRST);
  // The installation is tested in install.test.ts.
  const commands = start?.commands.replace("npm ci && ", "exec ") ?? "";
  expect(commands).toContain("exec npm start");
  const environment = await environmentWithDatabase();
  gateway = startShell(commands, project.path, {
    ...environment,
    PORT: String(ports[0]),
    RINGBACK_SANDBOX: "1",
    RINGBACK_EGRESS_ALLOW: "127.0.0.0/8",
  });
  await untilReady(`http://127.0.0.1:${ports[0]}`);
}, TIMEOUT_MS);

afterAll(async () => {
  await gateway.end();
  await Promise.all(databases.map((database) => database.drop()));
  project.remove();
});

test.each(GUIDES)(
  "every command in %s runs and prints what is shown",
  { timeout: TIMEOUT_MS },
  async (guide) => {
    const steps = stepsIn(guide).slice(STARTING.includes(guide) ? 1 : 0);
    expect(steps.length).toBeGreaterThan(0);
    const environment = await environmentWithDatabase();
    const own = { ...replacements, [DATABASE_URL]: environment["DATABASE_URL"] ?? "" };
    const replaced = steps.map((step) => replaceIn(step, own));
    const folder = openProjectCopy();
    onTestFinished(() => folder.remove());
    const reader = { ...API_KEY, RINGBACK_URL: `http://127.0.0.1:${replacements["8080"]}` };
    await runSteps(replaced, folder.path, { ...environment, ...reader }, TIMEOUT_MS - 10_000);
  },
);

test("every program in README.md and the guides is run by a command, and its types are right", async () => {
  const programs = Object.fromEntries(
    GUIDES.map((guide) => [guide, programsOf(readFileSync(guide, "utf8"))]),
  );
  for (const [guide, found] of Object.entries(programs)) {
    const text = readFileSync(guide, "utf8");
    expect(unnamedCodeIn(text), guide).toEqual([]);
    for (const { name } of found)
      expect(text, guide).toMatch(new RegExp(`^(.* )?node ${name}`, "m"));
  }
  expect(Object.values(programs).flat().length).toBeGreaterThan(8);
  expect(await typeProblemsOf(programs, project.path)).toBe("");
});

test.each(GUIDES.slice(1))("%s has 400 to 700 words besides its code", (guide) => {
  const words = wordsIn(readFileSync(guide, "utf8").replaceAll(/^```[^]*?^```$/gm, ""));
  expect(words).toBeGreaterThanOrEqual(400);
  expect(words).toBeLessThanOrEqual(700);
});

test("README has at most 900 words, code included", () => {
  expect(wordsIn(readFileSync(README, "utf8"))).toBeLessThanOrEqual(900);
});

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => /\w/.test(word)).length;
}

function stepsIn(guide: string): GuideStep[] {
  return stepsOf(readFileSync(guide, "utf8"));
}

/** The environment that an operator's commands need. */
async function environmentWithDatabase(): Promise<Record<string, string>> {
  const database = await createTestDatabase();
  databases.push(database);
  return {
    DATABASE_URL: database.url,
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    LOG_FORMAT: "json",
  };
}

async function untilReady(url: string): Promise<void> {
  const giveUpAt = performance.now() + TIMEOUT_MS / 2;
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch((error: unknown) => error);
    if (answer instanceof Response && answer.ok) return;
    if (performance.now() > giveUpAt) throw new Error(gateway.output(), { cause: answer });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
