import { expect, test } from "vitest";
import type { OperationalEvent } from "../../../src/core/delivery/operational-event.ts";
import { GatheredEvents } from "../../../src/delivery/operational/gathered-events.ts";

const news = (more: Partial<OperationalEvent> = {}): OperationalEvent => ({
  projectId: "one",
  subject: "callback origin https://a.test",
  type: "callback_origin.failing",
  data: {},
  ...more,
});
const recovered = news({ type: "callback_origin.recovered" });

const given = (gathered: GatheredEvents, nowMs: number) =>
  gathered.take(nowMs).map((one) => [one.event.type, one.occurrences, one.occurredAtMs]);

test("the newest of a subject stands for all, once a minute", () => {
  const gathered = new GatheredEvents();
  gathered.add(news(), 1);
  gathered.add(news(), 2);
  expect(given(gathered, 10)).toEqual([["callback_origin.failing", 2, 2]]);
  gathered.add(news(), 11);
  gathered.add(recovered, 12);
  expect(given(gathered, 60_009)).toEqual([]);
  expect(given(gathered, 60_010)).toEqual([["callback_origin.recovered", 1, 12]]);
});

test("events that could not be stored are given out again with newer ones, or replaced by them", () => {
  const gathered = new GatheredEvents();
  gathered.add(news(), 1);
  const taken = gathered.take(2);
  gathered.putBack(taken);
  gathered.add(news(), 3);
  const again = gathered.take(4);
  expect(again.map(({ occurrences }) => occurrences)).toEqual([2]);
  gathered.add(news(), 5);
  gathered.putBack(again);
  expect(given(gathered, 6)).toEqual([["callback_origin.failing", 3, 5]]);
  gathered.add(recovered, 7);
  gathered.putBack(again);
  expect(given(gathered, 8)).toEqual([["callback_origin.recovered", 1, 7]]);
});

test("a project with news of very many subjects leaves room to the others", () => {
  const gathered = new GatheredEvents();
  for (let number = 0; number < 3_000; number += 1) {
    gathered.add(news({ subject: `connection ${number}` }), number);
  }
  gathered.add(news({ projectId: "other" }), 1);
  const taken = gathered.take(10_000);
  expect(taken).toHaveLength(1_001);
  expect(taken.at(-1)?.event.projectId).toBe("other");
});

test("a project makes at most 1,000 rows a minute, however many subjects have news each second", () => {
  const gathered = new GatheredEvents();
  let rows = 0;
  let ofOther = 0;
  for (let second = 0; second < 180; second += 1) {
    for (let number = 0; number < 500; number += 1) {
      gathered.add(news({ subject: `origin ${second} ${number}` }), second);
    }
    if (second % 60 === 0) gathered.add(news({ projectId: "other" }), second);
    for (const { event } of gathered.take(second * 1_000)) {
      if (event.projectId === "other") ofOther += 1;
      else rows += 1;
    }
  }
  expect(rows).toBe(3_000);
  expect(ofOther).toBe(3);
});
