import { expect, test } from "vitest";
import { dnsQuery } from "../../../src/outbound/names/dns-query.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { NXDOMAIN, serveNames } from "../name-server.ts";

const FOUND = { kind: "found", addresses: ["192.0.2.1"], ttlS: 60 };

/** A name server that knows every name, but is silent about those of `silent.test`. */
async function scene() {
  const clock = new FakeClock();
  const server = await serveNames(({ name, type }) => {
    if (name.endsWith("silent.test")) return null;
    return type === "A" ? { records: [{ type: "A", value: "192.0.2.1" }] } : NXDOMAIN;
  });
  const ask = dnsQuery(clock, [server.address]);
  return { clock, server, ask: (name: string) => ask(name, 3_000) };
}

test("a query that is given up cancels no other, and the next ones are answered", async () => {
  const { clock, server, ask } = await scene();
  const silent = [ask("a.silent.test"), ask("b.silent.test")];
  await expect.poll(() => server.questions.length).toBe(4);
  expect(await ask("a.test")).toEqual(FOUND);
  clock.advance(3_000);
  for (const answer of await Promise.all(silent)) expect(answer.kind).toBe("failed");
  const later = Array.from({ length: 5 }, (_, index) => ask(`later-${index}.test`));
  for (const answer of await Promise.all(later)) expect(answer).toEqual(FOUND);
});
