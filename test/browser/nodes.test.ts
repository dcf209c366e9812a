import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { jobsOwnedBy, type NodePair, startNodePair } from "../support/node-pair.ts";
import {
  connect,
  createProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { launchBrowser } from "./browser.ts";
import { signIn, visit } from "./pages.ts";

/* Two nodes behind one address, as a load balancer shows them. */

let browser: Browser;
let scene: ProcessScene;
let pair: NodePair;
/** Where the address leads. */
let target: { host: string; port: number };
let address: TcpProxy;
/** A job of each node. */
let jobs: readonly { readonly name: string; readonly path: string }[];

beforeAll(async () => {
  [browser, scene] = await Promise.all([launchBrowser(), createProcessScene()]);
  pair = await startNodePair(scene);
  target = { host: "127.0.0.1", port: Number(new URL(pair[0].url).port) };
  address = await startTcpProxy(target);
  const { id } = await connect(pair[0], scene.upstream);
  jobs = await Promise.all(
    pair.map(async (node, number) => {
      const wanted = { id, count: 1, prefix: `of-node-${number}` };
      const [name = ""] = await jobsOwnedBy(node, scene.sql, wanted);
      scene.upstream.answer(name, pulseAnswer.processing({ node: number }));
      const { job } = await subscribe(pair[0], scene.receiver, name);
      return { name, path: `/console/jobs/${job.id}` };
    }),
  );
});
afterAll(async () => {
  await browser?.close();
  await address?.close();
  await scene?.end();
});

/** Lets every request go to this node from now on. */
function leadTo(node: number): void {
  target.port = Number(new URL(pair[node]?.url ?? "").port);
  address.cut();
}

test("a session goes on at another node, which shows the jobs of both live, and of a node that was killed", async () => {
  const [ofFirst, ofSecond] = jobs;
  if (ofFirst === undefined || ofSecond === undefined) throw new Error("no jobs");
  const { page, complaints, close } = await visit(browser, `http://127.0.0.1:${address.port}`);
  const polled = page.getByText(/^Polled [\d,]+×$/);
  const follows = async (): Promise<void> => {
    const before = await polled.textContent();
    await expect.poll(() => polled.textContent(), { timeout: 30_000 }).not.toBe(before);
  };
  await signIn(page);
  // Only the other node knows how often it was polled.
  await page.goto(ofSecond.path);
  await follows();
  await page.getByText('"job_id":"any"').waitFor();

  leadTo(1);
  await follows();
  await page.getByRole("button", { name: "Poll now" }).click();
  await page.getByText("The job is polled as soon as").waitFor();
  await page.goto(ofFirst.path);
  await follows();
  await page.goto("/console/connections");
  await page.getByText("2 nodes").click();
  await expect.poll(() => page.locator(".card [data-row]").count()).toBe(2);

  await page.goto(ofFirst.path);
  await pair[0].crash();
  scene.upstream.answer(ofFirst.name, pulseAnswer.completed('{"total": 1.10}'));
  await page.getByText("The callback was delivered").first().waitFor();
  await page.getByText("1.10").first().waitFor();
  // The browser itself reports a request that was cut off.
  expect(complaints.filter((one) => !one.includes("net::ERR"))).toEqual([]);
  await close();
}, 180_000);
