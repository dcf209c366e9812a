import { expect, test } from "vitest";
import { createAddressGuard } from "../../src/outbound/address-guard.ts";
import { CallbackUrlChecker } from "../../src/outbound/callback-url-checker.ts";
import { FakeClock } from "../support/fake-clock.ts";

function setUp(answers: readonly string[]) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const checker = new CallbackUrlChecker({
    guard: createAddressGuard({ cidrs: [], hostPorts: [] }),
    lookup: async (host) => {
      asked.push(host);
      return answers;
    },
    timeoutMs: 1000,
    clock,
  });
  return { clock, asked, checker };
}

test("asks for an origin once in a while, however many URLs name it", async () => {
  const { clock, asked, checker } = setUp(["93.184.215.14"]);
  for (const path of ["a", "b", "c"]) {
    expect(await checker.check(`https://receiver.test.example/${path}`)).toMatchObject({
      ok: true,
    });
  }
  expect(asked).toHaveLength(1);
  clock.advance(5001);
  await checker.check("https://receiver.test.example/d");
  expect(asked).toHaveLength(2);
});

test("refuses each URL of a private origin, and never lends one port's verdict to another", async () => {
  const { asked, checker } = setUp(["10.0.0.1"]);
  for (const url of [
    "https://inner.example/a",
    "https://inner.example/b",
    "https://inner.example:8443/",
  ]) {
    expect(await checker.check(url)).toMatchObject({ ok: false });
  }
  expect(asked).toHaveLength(2);
});

test("judges the spelling of every URL by itself", async () => {
  const { checker } = setUp(["93.184.215.14"]);
  expect(await checker.check("https://receiver.test.example/a")).toMatchObject({ ok: true });
  expect(await checker.check("https://user@receiver.test.example/a")).toMatchObject({
    ok: false,
  });
  expect(await checker.check("https://receiver.test.example/a#b")).toMatchObject({ ok: false });
});
