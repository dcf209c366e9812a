import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import postgres from "postgres";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { Json } from "../support/api-client.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { launchBrowser } from "./browser.ts";
import { signIn, visit } from "./pages.ts";

/*
 * Why a callback has not arrived, in two clicks from the overview at most, for each of the usual causes; and
 * pages that are open while their key, their database or another tab changes.
 */

/** A port that nothing listens on. */
const CLOSED = "http://127.0.0.1:1";
/** Failures after which an origin is only probed, and more. */
const FAILURES = 12;
const PREFIX = "/tools/ringback";

let browser: Browser;
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;

beforeAll(async () => {
  [browser, gateway, upstream, receiver] = await Promise.all([
    launchBrowser(),
    startTestGateway({ RINGBACK_RETRY_SCHEDULE_S: "0.05" }),
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  await connect("default");
  receiver.answer("/broken", { status: 500, body: "database is locked" });
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([upstream?.close(), receiver?.close()]);
  await gateway?.discard();
});

async function connect(name: string): Promise<Json> {
  const { status, body, text } = await gateway.api("POST", "/v1/connections", {
    provider: "pulse",
    name,
    credential: `pulse-key-of-${name}`,
    base_url: upstream.origin,
    settings: { poll_interval_s: 0.05 },
  });
  if (status !== 201) throw new Error(text);
  return body;
}

async function subscribe(jobId: string, fields: object = {}): Promise<Json> {
  const wish = { job_id: jobId, callback_url: receiver.url("/fine"), ...fields };
  const { status, body, text } = await gateway.api("POST", "/v1/subscriptions", wish);
  if (status !== 201) throw new Error(text);
  return body;
}

async function untilSubscription(id: string, isReached: (body: Json) => boolean): Promise<void> {
  await gateway.until(`/v1/subscriptions/${id}`, isReached);
}

interface Cause {
  readonly cause: string;
  /** Brings it about. */
  readonly arise: () => Promise<void>;
  /** Clicks, beginning at the overview. */
  readonly clicks: readonly ((page: Page) => Promise<void>)[];
  /** On the page that they lead to. */
  readonly told: string;
}

/** Opens what needs attention. */
const attention =
  (text: string) =>
  (page: Page): Promise<void> =>
    page.locator(".troubles li", { hasText: text }).getByRole("link", { name: "Open" }).click();
const tile =
  (name: string) =>
  (page: Page): Promise<void> =>
    page.locator(".tiles div", { hasText: name }).getByRole("link").click();
const row =
  (name: string) =>
  (page: Page): Promise<void> =>
    page.getByRole("link", { name, exact: true }).first().click();

const CAUSES: readonly Cause[] = [
  {
    cause: "a connection that somebody has paused",
    async arise() {
      const { id } = await connect("paused-by-hand");
      await gateway.api("PATCH", `/v1/connections/${id}`, { state: "paused" });
      await subscribe("waits-for-connection", { connection: "paused-by-hand" });
    },
    clicks: [attention("pulse paused-by-hand")],
    told: "paused",
  },
  {
    cause: "a credential that is refused",
    async arise() {
      const { id } = await connect("refused");
      upstream.answer("refused-job", pulseAnswer.error(401, "AUTH_001", "Invalid API key"));
      await subscribe("refused-job", { connection: "refused" });
      await gateway.until(`/v1/connections/${id}`, ({ state }) => state === "paused");
    },
    clicks: [attention("pulse refused")],
    told: "401",
  },
  {
    cause: "a receiver that does not answer",
    async arise() {
      const fail = async (job: string): Promise<void> => {
        upstream.answer(job, pulseAnswer.completed());
        const { id } = await subscribe(job, {
          callback_url: `${CLOSED}/${job}`,
          retry_schedule_s: [3600],
        });
        await gateway.until(`/v1/subscriptions/${id}/deliveries`, ({ data }) => {
          return data[0]?.attempt_count === 1;
        });
      };
      await Promise.all(Array.from({ length: FAILURES }, (_, number) => fail(`early-${number}`)));
      await gateway.noAttemptInProgress();
      // Failures of one moment are not enough.
      await gateway.pass(60_000);
      await fail("late");
      await gateway.until("/v1/callback-origins", ({ data }) =>
        data.some(({ state }: Json) => state === "failing"),
      );
    },
    clicks: [attention(`${CLOSED}:`)],
    told: "connect",
  },
  {
    cause: "a delivery that was given up",
    async arise() {
      upstream.answer("given-up", pulseAnswer.completed());
      const { id } = await subscribe("given-up", { callback_url: receiver.url("/broken") });
      await untilSubscription(id, ({ status }) => status === "exhausted");
    },
    clicks: [attention("given up"), row("given-up")],
    told: "The receiver answered 500.",
  },
  {
    cause: "a job that still runs",
    async arise() {
      upstream.answer("runs", pulseAnswer.processing());
      const { id } = await subscribe("runs");
      await untilSubscription(id, ({ job }) => job.poll_count > 1);
    },
    clicks: [tile("Live jobs"), row("runs")],
    told: "says that the job still runs",
  },
  {
    cause: "a status that the definition does not know",
    async arise() {
      upstream.answer("unknown", pulseAnswer.status("reticulating"));
      await subscribe("unknown");
      await gateway.until("/v1/operational-events?type=provider.unknown_status", ({ data }) => {
        return data.length > 0;
      });
    },
    clicks: [attention("reticulating")],
    told: "Try Pulse",
  },
  {
    cause: "a status that the definition does not know, found from the job",
    arise: () => Promise.resolve(),
    clicks: [tile("Live jobs"), row("unknown")],
    told: "does not know, which counts as running",
  },
  {
    cause: "an attempt that is made later",
    async arise() {
      upstream.answer("later", pulseAnswer.completed());
      const { id } = await subscribe("later", {
        callback_url: receiver.url("/broken"),
        retry_schedule_s: [7200],
      });
      await gateway.until(`/v1/subscriptions/${id}/deliveries`, ({ data }) => {
        return data[0]?.attempt_count === 1;
      });
    },
    clicks: [tile("Pending deliveries"), row("later")],
    told: "Attempt 1 failed",
  },
];

test("each cause of a missing callback is two clicks from the overview at most", async () => {
  for (const { arise } of CAUSES) await arise();
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  for (const { cause, clicks, told } of CAUSES) {
    expect(clicks.length, cause).toBeLessThanOrEqual(2);
    await page.goto("/console/overview");
    for (const click of clicks) await click(page);
    await page.locator("main").getByText(told).first().waitFor();
  }
  expect(complaints).toEqual([]);
  await close();
});

test("metadata and a callback URL are found from the search of jobs, with the keyboard alone, and the way back works", async () => {
  await subscribe("searched", { metadata: { invoice: 4711 } });
  const { page, complaints, close } = await visit(browser, gateway.url);
  await page.goto("/console/jobs");
  // The browser gives it the focus when it first draws the page.
  await page.getByLabel("API key").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("rb_end-to-end-test-key");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
  await page.locator('html[data-live="live"]').waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("invoice=4711");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Subscriptions" }).waitFor();
  await page.getByRole("link", { name: "searched", exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  // Tab reaches the button that asks first, Enter opens the question and the next Tab its answer.
  const cancel = page.locator("#cancel-job summary:focus");
  while ((await cancel.count()) === 0) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  expect(await page.locator("button:focus").textContent()).toContain("Cancel the job");
  await page.goBack();
  await page.getByRole("heading", { name: "Subscriptions" }).first().waitFor();
  await expect.poll(() => new URL(page.url()).search).toBe("?metadata=invoice%3D4711");
  await page.goForward();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await page.goto(`/console/jobs?q=${encodeURIComponent(receiver.url("/broken"))}`);
  await page.getByRole("heading", { name: "Subscriptions" }).waitFor();
  await page.getByRole("link", { name: "given-up", exact: true }).first().waitFor();
  expect(complaints).toEqual([]);
  await close();
});

/** A proxy that puts the gateway below a path. */
async function startPrefixProxy(): Promise<{ server: Server; url: string }> {
  const { hostname, port } = new URL(gateway.url);
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? "";
    if (!path.startsWith(`${PREFIX}/`)) {
      outgoing.writeHead(404).end();
      return;
    }
    const { method, headers } = incoming;
    const options = { hostname, port, method, headers, path: path.slice(PREFIX.length) };
    const onward = forward(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${own}` };
}

test("below a path of a proxy every page, form and live update stays below it", async () => {
  const { server, url } = await startPrefixProxy();
  const { page, complaints, close } = await visit(browser, url);
  await page.goto(`${PREFIX}/console`);
  await page.getByLabel("API key").fill("rb_end-to-end-test-key");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByRole("link", { name: "runs", exact: true }).click();
  const polled = page.getByText(/^Polled [\d,]+×$/);
  const before = await polled.textContent();
  await expect.poll(() => polled.textContent(), { timeout: 30_000 }).not.toBe(before);
  await page.getByRole("button", { name: "Poll now" }).click();
  await page.getByText("The job is polled as soon as").waitFor();
  expect(new URL(page.url()).pathname).toMatch(`${PREFIX}/console/jobs/job_`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  expect(new URL(page.url()).pathname).toBe(`${PREFIX}/console/sign-in`);
  expect(complaints).toEqual([]);
  await close();
  server.closeAllConnections();
  server.close();
});

test("an open page leads to the form when its key is revoked, and when another tab signs out", async () => {
  const { body: key } = await gateway.api("POST", "/v1/api-keys", {
    name: "soon revoked",
    scopes: ["subscriptions:read"],
  });
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page, key.key);
  await page.goto("/console/jobs?status=live");
  await page.getByRole("link", { name: "runs", exact: true }).waitFor();
  await gateway.api("DELETE", `/v1/api-keys/${key.id}`);
  await page.getByLabel("API key").waitFor();

  await signIn(page);
  await page.goto("/console/jobs?status=live");
  const other = await page.context().newPage();
  await other.goto("/console/overview");
  await other.getByRole("button", { name: "Sign out" }).click();
  await page.bringToFront();
  await page.getByLabel("API key").waitFor();
  expect(new URL(page.url()).pathname).toBe("/console/sign-in");
  await close();
});

/** Keeps everyone out of the gateway's database until the work is done. */
async function withoutDatabase(work: () => Promise<void>): Promise<void> {
  const name = new URL(gateway.databaseUrl).pathname.slice(1);
  const admin = postgres(inject("postgresUrl"), { max: 1, onnotice: () => {} });
  try {
    await admin`alter database ${admin(name)} with allow_connections false`;
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    await work();
  } finally {
    await admin`alter database ${admin(name)} with allow_connections true`;
    await admin.end();
  }
}

test("an open page stays as it is while the database is away, says so, and goes on when it is back", async () => {
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/jobs?status=live");
  const shown = page.getByRole("link", { name: "runs", exact: true });
  await shown.waitFor();
  await withoutDatabase(async () => {
    await page.locator('html[data-live="lost"]').waitFor();
    await page.getByText("No connection").waitFor();
    expect(await shown.isVisible()).toBe(true);
  });
  await page.locator('html[data-live="live"]').waitFor();
  expect(await shown.isVisible()).toBe(true);
  await close();
});
