import { readFileSync } from "node:fs";
import { Metrics } from "../../src/runtime/metrics.ts";
import { expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

const OPERATIONS = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const ALERTS = readFileSync(new URL("../../docs/alerts.yml", import.meta.url), "utf8");

/** The value of the only sample with this name and these labels, or null. */
function sample(text: string, name: string, labels = ""): number | null {
  const line = text.split("\n").find((one) => one.startsWith(`${name}${labels} `));
  return line === undefined ? null : Number(line.split(" ")[1]);
}

test("failures are counted by error code, and an ending by the time until its callback was taken", async (context) => {
  const { gateway, upstream, receiver, jobId, path, subscribe, delivery } =
    await openScene(context);
  const read = async () => (await gateway.api("GET", "/metrics")).text;
  upstream.answer(jobId, (_, asked) =>
    asked === 1 ? { status: 500, body: "down" } : pulseAnswer.completed(),
  );
  receiver.answer(path, (_, asked) => ({ status: asked === 1 ? 503 : 200 }));
  const { id } = await subscribe();
  await delivery(id, ({ status }) => status === "delivered");
  const samples = async (): Promise<unknown> => {
    const text = await read();
    return [
      sample(text, "ringback_poll_failures_total", '{error_code="upstream_fault"}'),
      sample(
        text,
        "ringback_delivery_attempt_failures_total",
        '{error_code="server_error_answer"}',
      ),
      sample(text, "ringback_ending_to_callback_seconds_count"),
    ];
  };
  // An attempt is counted after its row is there, which the API shows at once.
  await expect.poll(samples).toEqual([1, 1, 1]);
  const history = await gateway.until(
    "/v1/stats/history?minutes=60",
    ({ total }) => total.delivered === 1,
  );
  expect(history.total).toMatchObject({ endings: 1, completed: 1, failed_attempts: 1 });
  expect(history.total.ending_to_callback_p95_ms).toBeGreaterThan(0);
  expect(await read()).toMatch(
    /^ringback_build_info\{version="1\.2\.3-test",node_version="v\d+[^"]*"\} 1$/m,
  );
});

test("a paused connection and a delivery that is long due are seen in the metrics", async (context) => {
  const { gateway, receiver, upstream, jobId, subscribe, delivery, change } =
    await openScene(context);
  await change({ state: "paused" });
  const read = async () => (await gateway.api("GET", "/metrics")).text;
  await expect.poll(async () => sample(await read(), "ringback_connections_paused")).toBe(1);
  await change({ state: "active" });
  await expect.poll(async () => sample(await read(), "ringback_connections_paused")).toBe(0);

  upstream.answer(jobId, pulseAnswer.completed());
  await receiver.close();
  const { id } = await subscribe({ retry_schedule_s: [3600] });
  const { id: deliveryId } = await delivery(id, ({ attempt_count }) => attempt_count === 1);
  const uuid = deliveryId.replace("msg_", "");
  await gateway.sql`update deliveries set next_attempt_at = now() - interval '1 hour'
    where id = ${uuid}::uuid and shard_id >= 0`;
  const text = await read();
  const scope = '{scope="all_nodes"}';
  expect(sample(text, "ringback_deliveries_overdue", scope)).toBe(1);
  expect(sample(text, "ringback_oldest_overdue_delivery_seconds", scope)).toBeGreaterThan(3500);
});

test("every delivery that used up its attempts is one line in the log, with its ids as in the API", async (context) => {
  const { gateway, upstream, receiver, jobId, path, subscribe, delivery } =
    await openScene(context);
  upstream.answer(jobId, pulseAnswer.completed());
  receiver.answer(path, () => ({ status: 400 }));
  const { id } = await subscribe({ retry_schedule_s: [] });
  const exhausted = await delivery(id, ({ status }) => status === "exhausted");
  const lines = () =>
    gateway.logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ delivery_id }) => delivery_id === exhausted.id);
  // It is written after the delivery's row, which the API shows at once.
  await expect.poll(lines).toHaveLength(1);
  expect(lines()[0]).toMatchObject({
    subscription_id: id,
    job_id: jobId,
    event_type: "job.completed",
    error_code: "client_error_answer",
    callback_origin: receiver.origin,
  });
});

test("every metric is explained in docs/operations.md, and the alerts use no other", async (context) => {
  const { gateway } = await openScene(context);
  const { text } = await gateway.api("GET", "/metrics");
  const served = [...text.matchAll(/^# TYPE (ringback_\w+)/gm)].map(([, name = ""]) => name);
  const explained = [...OPERATIONS.matchAll(/^\| `(ringback_\w+)`/gm)].map(([, name = ""]) => name);
  expect(explained.toSorted()).toEqual(served.toSorted());
  const used = [...ALERTS.matchAll(/ringback_\w+/g)].map(([name]) => name);
  expect(used.filter((name) => !served.includes(name))).toEqual([]);
});

test("an alert that counts something sees its first occurrence, and names only labels that its expression keeps", async () => {
  const { body } = await new Metrics().scrape(true);
  const counted = [...ALERTS.matchAll(/increase\((ringback_\w+)(\{[^}]*\})/g)];
  expect(counted).not.toHaveLength(0);
  // A series that begins with its first count has not increased.
  for (const [, name = "", labels] of counted) expect(sample(body, name, labels)).toBe(0);
  for (const alert of ALERTS.split("- alert: ").slice(1)) {
    const kept = /\bby \(([^)]*)\)/.exec(alert)?.[1]?.split(", ");
    const isSummed = /\b(?:sum|max|absent)\b/.test(alert);
    const named = [...alert.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
    if (isSummed) expect(named.filter((label) => kept?.includes(label) !== true)).toEqual([]);
  }
});
