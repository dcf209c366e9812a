import { expect, test } from "vitest";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { createTestDatabase } from "../support/database.ts";
import { openJobApi } from "../support/job-api.ts";
import { startReceiver } from "../support/receiver.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { startTestGateway } from "../support/test-gateway.ts";

test("an answer waits for its subscription while the database is away, for as long as a client would, and is relayed all the same", async (context) => {
  const database = await createTestDatabase();
  const address = new URL(database.url);
  const proxy = await startTcpProxy({ host: address.hostname, port: Number(address.port) });
  address.port = String(proxy.port);
  const gateway = await startTestGateway({ DATABASE_URL: address.href });
  const receiver = await startReceiver(SIGNING_SECRET);
  context.onTestFinished(async () => {
    await gateway.discard();
    await receiver.close();
    await proxy.close();
    await database.drop();
  });
  let submitted = Promise.withResolvers<void>();
  const api = await openJobApi(context, ({ method, path }) => {
    if (method === "POST") submitted.resolve();
    return method === "POST"
      ? { status: 202, body: { job_id: `of-${path.slice(1)}`, status: "pending" } }
      : { body: { status: "completed", result: {} } };
  });
  const fields = { provider: "pulse", credential: "key", base_url: api.origin };
  const { body: connection } = await gateway.api("POST", "/v1/connections", fields);
  const submit = (path: string) =>
    fetch(`${gateway.url}/via/${connection.id}/${path}`, {
      method: "POST",
      headers: { "x-api-key": API_KEY, "ringback-callback-url": receiver.url(`/${path}`) },
    });
  await submit("before");
  await receiver.takeOne("/before");

  submitted = Promise.withResolvers();
  proxy.freeze();
  proxy.cut();
  const held = submit("during");
  await submitted.promise;
  proxy.thaw();
  proxy.cut();
  const stored = await held;
  expect(stored.headers.get("ringback-subscription-id")).toMatch(/^sub_/);
  expect(await stored.json()).toMatchObject({ job_id: "of-during" });
  await receiver.takeOne("/during");

  submitted = Promise.withResolvers();
  proxy.freeze();
  proxy.cut();
  const given = submit("for-long");
  await submitted.promise;
  // The time for storing begins once the gateway has read the answer, which no event tells.
  const passing = setInterval(() => gateway.clock.shift(60_000), 20);
  const unstored = await given.finally(() => clearInterval(passing));
  expect(unstored.status).toBe(202);
  expect(unstored.headers.get("ringback-subscription-error")).toBe("database_unavailable");
  expect(unstored.headers.get("ringback-job-id")).toBe("of-for-long");
  expect(await unstored.json()).toMatchObject({ job_id: "of-for-long" });
  proxy.thaw();
  proxy.cut();
}, 120_000);
