import { expect, test, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { breaches, connect, openProcessScene, subscribe } from "../support/process-scene.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const PATIENCE = { timeout: 60_000, interval: 100 };

async function readinessBecomes(gateway: GatewayProcess, reasons: readonly string[]) {
  await vi.waitFor(async () => {
    const { status, body } = await gateway.api("GET", "/readyz");
    expect({ status, reasons: body.reasons ?? [] }).toEqual({
      status: reasons.length === 0 ? 200 : 503,
      reasons: expect.arrayContaining([...reasons]),
    });
  }, PATIENCE);
}

test("while the database swallows everything, requests are refused at once and readiness says why; afterwards all goes on and nothing is lost", async (context) => {
  const scene = await openProcessScene(context);
  const address = new URL(scene.databaseUrl);
  const proxy = await startTcpProxy({ host: address.hostname, port: Number(address.port) });
  context.onTestFinished(() => proxy.close());
  address.port = String(proxy.port);
  const gateway = await scene.start({ DATABASE_URL: address.href });
  const { upstream, receiver } = scene;
  await connect(gateway, upstream);
  await subscribe(gateway, receiver, "through-the-outage");
  await upstream.polled("through-the-outage", 1);

  proxy.freeze();
  upstream.answer("through-the-outage", pulseAnswer.completed());
  await readinessBecomes(gateway, ["database_unreachable"]);
  const wish = { job_id: "refused", callback_url: receiver.url("/refused") };
  const asked = [
    await gateway.api("POST", "/v1/subscriptions", wish),
    await gateway.api("POST", "/v1/subscriptions/batch", {
      subscriptions: Array.from({ length: 1000 }, () => wish),
    }),
    await gateway.api("GET", "/v1/subscriptions"),
  ];
  expect(asked.map(({ status, body }) => [status, body.code, body.outcome])).toEqual([
    [503, "database_unavailable", "none"],
    [503, "database_unavailable", "none"],
    [503, "database_unavailable", "none"],
  ]);

  proxy.thaw();
  await readinessBecomes(gateway, []);
  await receiver.takeOne("/through-the-outage");
  await subscribe(gateway, receiver, "after-the-outage");
  expect(await scene.sql`select job_id from jobs order by job_id`).toEqual([
    { job_id: "after-the-outage" },
    { job_id: "through-the-outage" },
  ]);
  expect(await breaches(scene.sql)).toEqual([]);
}, 240_000);
