import { expect, test, type TestContext, vi } from "vitest";
import type { Callback } from "../support/receiver.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type Scene, useScenes } from "./scene.ts";

const openScene = useScenes();
const OPERATIONS = "/operations";

interface ToldScene extends Scene {
  /** The first event of the type, once it is there. */
  readonly told: (type: string) => Promise<Callback>;
  /** Lets the minute pass in which a subject has no second event. */
  readonly passAMinute: () => Promise<void>;
}

/** A scene whose project wants to be told. */
async function openTold(context: TestContext): Promise<ToldScene> {
  const scene = await openScene(context);
  const { gateway, receiver } = scene;
  const answer = await gateway.api("PATCH", "/v1/project", {
    operations_url: receiver.url(OPERATIONS),
  });
  if (answer.status !== 200) throw new Error(answer.text);
  const told = async (type: string): Promise<Callback> => {
    for (let count = 1; ; count += 1) {
      const callbacks = await receiver.take(OPERATIONS, count);
      const found = callbacks.find(({ event }) => event.type === type);
      if (found !== undefined) return found;
    }
  };
  const passAMinute = async (): Promise<void> => {
    // It counts from when it is recorded that the last was told.
    const untold = () => gateway.sql`select from operational_events where due_at is not null`;
    await vi.waitFor(async () => expect(await untold()).toHaveLength(0), { timeout: 60_000 });
    await gateway.pass(61_000);
  };
  return { ...scene, told, passAMinute };
}

test("an exhausted delivery is reported", async (context) => {
  const scene = await openTold(context);
  const { upstream, receiver, jobId, path, subscribe, told } = scene;
  upstream.answer(jobId, pulseAnswer.completed());
  receiver.answer(path, { status: 400 });
  const { id } = await subscribe({ retry_schedule_s: [0.05] });
  const { event, webhookId } = await told("delivery.exhausted");
  expect(webhookId).toMatch(/^ope_/);
  const delivery = await scene.delivery(id);
  expect(event.data).toEqual({
    occurrences: 1,
    callback_origin: receiver.origin,
    delivery_id: delivery.id,
    subscription_id: id,
    event_type: "job.completed",
    job_id: jobId,
    error_code: "client_error_answer",
  });
});

test("a connection that is paused, and then resumed, is reported", async (context) => {
  const scene = await openTold(context);
  const { upstream, jobId, connection, connectionId, subscribe, change, told } = scene;
  upstream.answer(jobId, pulseAnswer.processing());
  upstream.acceptKey("another-key");
  await subscribe();
  const paused = await told("connection.paused");
  expect(paused.event.data).toMatchObject({
    connection_id: connectionId,
    provider: "pulse",
    connection,
    reason: expect.stringContaining("401"),
  });
  await scene.passAMinute();
  upstream.acceptKey("new-key");
  await change({ credential: "new-key" });
  const resumed = await told("connection.resumed");
  expect(resumed.event.data).toMatchObject({ connection_id: connectionId });
});

test("an unknown status is reported", async (context) => {
  const { upstream, jobId, subscribe, told } = await openTold(context);
  upstream.answer(jobId, pulseAnswer.status("pondering"));
  await subscribe();
  const { event } = await told("provider.unknown_status");
  expect(event.data).toMatchObject({ provider: "pulse", status: "pondering", job_id: jobId });
});

test("a callback origin is reported when it fails, and when it answers again", async (context) => {
  const scene = await openTold(context);
  const { gateway, upstream, receiver, jobId, path, subscribe, told } = scene;
  const other = await openScene(context);
  upstream.answer(jobId, pulseAnswer.completed());
  // Long enough to count as an outage.
  other.receiver.answer(path, async (_callback, number) => {
    if (number <= 10) await gateway.pass(2_000);
    return { status: number <= 10 ? 503 : 200 };
  });
  await subscribe({
    callback_url: other.receiver.url(path),
    retry_schedule_s: Array(30).fill(0.05),
  });
  const failing = await told("callback_origin.failing");
  expect(failing.event.data).toMatchObject({ callback_origin: other.receiver.origin });
  await scene.passAMinute();
  // Whatever comes to the lane makes it look at the clock.
  await subscribe({ callback_url: other.receiver.url("/another") });
  const recovered = await told("callback_origin.recovered");
  expect(recovered.event.data).toMatchObject({ callback_origin: other.receiver.origin });
  expect(receiver.callbacks.every(({ problem }) => problem === null)).toBe(true);
});
