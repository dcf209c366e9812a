import { expect, test } from "vitest";
import { RemoteStatuses } from "../../../src/cluster/questions/remote-statuses.ts";
import { JobStatuses } from "../../../src/polling/watch/job-statuses.ts";
import { ObservedAnswers } from "../../../src/polling/watch/observed-answers.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { uuids } from "../../support/rows.ts";
import { testRuntime } from "../../support/runtime.ts";

const { signal } = new AbortController();

/** A node that asks, and an owner that answers only what a test says. */
function open() {
  const clock = new FakeClock();
  const runtime = testRuntime({ clock });
  const sent: string[] = [];
  const answers: { readonly id: string; readonly answer: string }[] = [];
  const database: Database = {
    run: <T>(name: string) =>
      Promise.resolve((name === "take-inspection-answers" ? answers.splice(0) : []) as T),
    transaction: () => Promise.reject(new Error("A question takes no transaction.")),
  };
  const watches = { observe: () => "not_here" as const, pollNow: () => {}, projectOf: () => null };
  const local = new JobStatuses(clock, watches, new ObservedAnswers(clock));
  const send = (_: string, keys: readonly { readonly id: string }[]) => {
    sent.push(...keys.map(({ id }) => id));
    return Promise.resolve();
  };
  const statuses = new RemoteStatuses(runtime, { database, commands: { send }, watches, local });
  const job = { projectId: "p", shardId: 1, id: uuids(clock.now(), 1) };
  const answer = (fields: object) =>
    answers.push({ id: sent.at(-1) ?? "", answer: JSON.stringify(fields) });
  return { clock, statuses, job, sent, answer };
}

function told(clock: FakeClock, state: string) {
  const body = Buffer.from(state).toString("base64");
  return {
    kind: "answer",
    status: 200,
    headers: {},
    body,
    atMs: clock.now(),
    isEnding: false,
    state,
  };
}

test("an owner that does not answer is not waited for long, nor asked again at once", async () => {
  const { clock, statuses, job, sent } = open();
  const first = statuses.first(job, signal);
  clock.advance(1_500);
  expect(await first).toBeNull();
  expect(statuses.latest(job)).toBeNull();
  expect(sent.length).toBe(1);
  clock.advance(2_000);
  expect(statuses.latest(job)).toBe("awaited");
});

test("all who ask about a job share a question, and its answer for a second", async () => {
  const { clock, statuses, job, sent, answer } = open();
  const asked = Array.from({ length: 1_000 }, () => statuses.first(job, signal));
  await expect.poll(() => sent.length).toBe(1);
  answer(told(clock, "running"));
  clock.advance(75);
  for (const one of await Promise.all(asked)) expect(one).toMatchObject({ state: "running" });
  expect(statuses.latest(job)).toMatchObject({ state: "running" });
  expect(sent.length).toBe(1);
  clock.advance(1_000);
  expect(statuses.latest(job)).toBe("awaited");
});

/** With one question asked, whose answer is that the job runs. */
async function openKnown() {
  const opened = open();
  const { clock, statuses, job, sent, answer } = opened;
  const first = statuses.first(job, signal);
  await expect.poll(() => sent.length).toBe(1);
  answer(told(clock, "running"));
  clock.advance(75);
  const known = await first;
  if (known === null) throw new Error("the owner's answer did not arrive");
  return { ...opened, known };
}

test("a request that does not wait leaves no question at the owner, and one whose wait is over gets the newest answer", async () => {
  const { clock, statuses, job, sent, answer, known } = await openKnown();
  expect(await statuses.moved(job, known, 0, signal)).toBe(known);
  expect(sent.length).toBe(1);
  const held = statuses.moved(job, known, 3_000, signal);
  clock.advance(3_000);
  await expect.poll(() => sent.length).toBe(3);
  answer(told(clock, "running"));
  clock.advance(250);
  expect(await held).toMatchObject({ state: "running", atMs: clock.monotonic() - 250 });
});

test("a request that waits is not given up by a silent owner, nor by one that does not know the job yet", async () => {
  const { clock, statuses, job, sent, answer, known } = await openKnown();
  const beforeSilence = statuses.moved(job, known, 60_000, signal);
  clock.advance(11_500);
  expect(await beforeSilence).toBe("lost");
  const beforeLoading = statuses.moved(job, known, 40_000, signal);
  await expect.poll(() => sent.length).toBe(3);
  answer({ kind: "awaited" });
  clock.advance(250);
  expect(await beforeLoading).toBe("lost");
});
