import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SECTIONS } from "../../src/console/view/sections.ts";
import type { Json } from "../support/api-client.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { ScriptedServer } from "../support/scripted-server.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { launchBrowser } from "./browser.ts";
import { expectAccessible, type Look, LOOKS, screenshot, signIn, visit } from "./pages.ts";

/** Breaks out of text, of attributes in either quote, of a script, of a style and of a comment. */
const HOSTILE = `"'></title></textarea></style></script>--><script>globalThis.broken=1</script><img src=x onerror="globalThis.broken=1"><svg onload=globalThis.broken=1>`;
/** Past the console's session. */
const TWO_HOURS_MS = 7_200_000;

let browser: Browser;
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
/** Somebody else's, with the page that a test gives it. */
let elsewhere: ScriptedServer;
let elsewherePage = "";
let hostile: Json;

beforeAll(async () => {
  elsewhere = new ScriptedServer(async () => ({
    headers: { "content-type": "text/html" },
    body: elsewherePage,
  }));
  [browser, gateway, upstream, receiver] = await Promise.all([
    launchBrowser(),
    startTestGateway({ RINGBACK_RETRY_SCHEDULE_S: "0.05", RINGBACK_SANDBOX: "1" }),
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
    elsewhere.open(),
  ]);
  await gateway.api("POST", "/v1/connections", {
    provider: "pulse",
    credential: "pulse-key",
    base_url: upstream.origin,
    settings: { poll_interval_s: 0.05 },
  });
  hostile = await setUpHostileJobs();
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([upstream?.close(), receiver?.close(), elsewhere?.close()]);
  await gateway?.discard();
});

/** The same text in everything that a client, an upstream or a receiver writes; returns a subscription. */
async function setUpHostileJobs(): Promise<Json> {
  const wish = (jobId: string): object => ({
    job_id: jobId,
    callback_url: receiver.url(`/hostile?${HOSTILE.replaceAll(" ", "/")}`),
    metadata: { [HOSTILE]: HOSTILE, customer: "acme" },
    headers: { "x-hostile": HOSTILE },
  });
  upstream.answer(HOSTILE, pulseAnswer.failed(HOSTILE));
  upstream.answer("completed", pulseAnswer.completed(JSON.stringify({ [HOSTILE]: HOSTILE })));
  upstream.answer("running", pulseAnswer.processing({ [HOSTILE]: HOSTILE }));
  receiver.answer(hostilePath(), { status: 500, headers: { "x-answer": "1" }, body: HOSTILE });
  const made: Json[] = [];
  for (const jobId of [HOSTILE, "completed", "running"]) {
    const { status, body, text } = await gateway.api("POST", "/v1/subscriptions", wish(jobId));
    if (status !== 201) throw new Error(text);
    made.push(body);
  }
  await gateway.api("POST", "/v1/api-keys", { name: HOSTILE, scopes: ["submit"] });
  for (const { id } of made.slice(0, 2)) {
    await gateway.until(`/v1/subscriptions/${id}`, ({ status }) => status === "exhausted");
  }
  return made[1];
}

/** As the receiver sees it, spelled as in a URL. */
function hostilePath(): string {
  const { pathname, search } = new URL(receiver.url(`/hostile?${HOSTILE.replaceAll(" ", "/")}`));
  return pathname + search;
}

const BROKEN = `({
  broken: "broken" in globalThis,
  elements: document.querySelectorAll("img, script:not([nonce]), [onerror], [onload]").length,
})`;

/** Nothing of the text became a part of the page. */
async function expectAsText(page: Page, where: string): Promise<void> {
  expect(await page.evaluate(BROKEN), where).toEqual({ broken: false, elements: 0 });
}

test("whatever clients, upstreams and receivers write is text on every page", async () => {
  const { page, complaints, close } = await visit(browser, gateway.url);
  await signIn(page);
  const { data: jobs } = (await gateway.api("GET", "/v1/jobs")).body;
  const paths = [
    ...Object.values(SECTIONS).map(({ path }) => path),
    ...jobs.map(({ id }: Json) => `jobs/${id}`),
    `jobs?q=${encodeURIComponent(HOSTILE)}`,
    `subscriptions?metadata=${encodeURIComponent(HOSTILE)}`,
    `no-such-page/${encodeURIComponent(HOSTILE)}`,
  ];
  let shown = 0;
  for (const path of paths) {
    await page.goto(`/console/${path}`);
    await expectAsText(page, path);
    if ((await page.content()).includes("&lt;script&gt;globalThis.broken")) shown += 1;
  }
  // It is there to be read: on lists and pages of jobs at the least.
  expect(shown).toBeGreaterThanOrEqual(6);
  const policy = complaints.filter((one) => /Content Security Policy|error:|request:/.test(one));
  expect(policy).toEqual([]);
  await close();
});

test("a key that may only read sees no button, and changes nothing by hand", async () => {
  const made = await gateway.api("POST", "/v1/api-keys", {
    name: "reader",
    scopes: ["subscriptions:read"],
  });
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page, made.body.key);
  for (const path of ["jobs", "deliveries", "callback-origins", `jobs/${hostile.job.id}`]) {
    await page.goto(`/console/${path}`);
    const forms = page.locator('form[method="post"]');
    expect(await forms.count(), path).toBe(1);
    expect(await forms.getAttribute("action")).toContain("sign-out");
  }
  const csrf = await page.locator('input[name="csrf"]').getAttribute("value");
  const statuses = await page.evaluate(
    async ({ id, token }) => {
      const post = async (path: string): Promise<number> => {
        const body = new URLSearchParams({ csrf: token ?? "" });
        return (await fetch(`/console/${path}`, { method: "POST", body })).status;
      };
      return Promise.all([post(`jobs/${id}/poll`), post(`jobs/${id}/redeliver`), post("sandbox")]);
    },
    { id: hostile.job.id as string, token: csrf },
  );
  expect(statuses).toEqual([403, 403, 403]);
  await close();
});

test("a page elsewhere neither frames the console nor acts in its session, on the same machine either", async () => {
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page);
  const polled = `${gateway.url}/console/jobs/${hostile.job.id}/redeliver`;
  elsewherePage = `<iframe name="framed" src="${gateway.url}/console/jobs"></iframe>
    <form method="post" action="${polled}"><button>Win</button></form>`;
  await page.goto(elsewhere.origin);
  await expect.poll(() => page.frame({ name: "framed" })?.url() ?? "").toMatch(/^chrome-error:/);
  const response = page.waitForResponse((one) => one.url() === polled);
  await page.getByRole("button", { name: "Win" }).click();
  expect((await response).status()).toBe(403);
  await close();
});

test.each(Object.keys(LOOKS) as Look[])(
  "a link works in a frame of a page that the project lists, without cookies: %s",
  async (look) => {
    await gateway.api("PATCH", "/v1/project", { frame_ancestors: [elsewhere.origin] });
    const { page, complaints, close } = await visit(browser, gateway.url, look);
    const link = async (wish: object): Promise<string> =>
      (await gateway.api("POST", "/v1/console-links", wish)).body.url;
    const url = await link({ metadata: "customer=acme", may_redeliver: true });
    elsewherePage = `<html lang="en"><title>Portal</title><main><h1>Your callbacks</h1>
      <iframe title="Callbacks" width="100%" height="600" src="${url}"></iframe></main></html>`;
    await page.goto(elsewhere.origin);
    const frame = page.frameLocator("iframe");
    await frame.getByRole("link", { name: "completed", exact: true }).click();
    await frame.getByText("What is sent").first().click();
    await screenshot(page, `framed-link-${look}`);
    await expectAccessible(page);
    if (look === "light") {
      receiver.answer(hostilePath(), { status: 204 });
      await frame.getByText("Send again…").first().click();
      await frame.getByRole("button", { name: "Send it again" }).click();
      await frame.getByText("The callback is sent again.").waitFor();
      await frame.getByText("The callback was delivered").first().waitFor();
    }
    expect(await page.context().cookies()).toEqual([]);
    expect(complaints.filter((one) => !one.startsWith("request:"))).toEqual([]);
    await page.goto(await link({ subscription_id: hostile.id }));
    await page.getByRole("heading", { name: "Result" }).waitFor();
    await expectAsText(page, "a link to a subscription");
    await screenshot(page, `link-${look}`);
    await expectAccessible(page);
    await page.goto(await link({}));
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await screenshot(page, `link-project-${look}`);
    await expectAccessible(page);
    await close();
  },
);

test("a session that is over leads to the form, and back to the page that was looked at", async () => {
  const { page, close } = await visit(browser, gateway.url);
  await signIn(page);
  await page.goto("/console/jobs?status=completed");
  await gateway.pass(TWO_HOURS_MS);
  // The page reads itself again, and finds out.
  await page.getByLabel("API key").waitFor();
  await page.getByLabel("API key").fill(API_KEY);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  expect(new URL(page.url()).search).toBe("?status=completed");
  await close();
});
