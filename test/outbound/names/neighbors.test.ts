import fc from "fast-check";
import { expect, test } from "vitest";
import { FairSemaphore } from "../../../src/lanes/shares/fair-semaphore.ts";
import type { DnsAnswer } from "../../../src/outbound/names/dns-query.ts";
import { NameResolver } from "../../../src/outbound/names/name-resolver.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const AT_ONCE = 64;
const PER_PROJECT = 8;
/** However silent a name server is. */
const LOOKUP_MS_MAX = 3_000;
const FOUND: DnsAnswer = { kind: "found", addresses: ["192.0.2.1"], ttlS: 1 };

/** Name servers that take as long as a name says, and the time at which each name was asked for. */
function openResolver() {
  const clock = new FakeClock();
  const askedAtMs = new Map<string, number>();
  const ask = (name: string, timeoutMs: number): Promise<DnsAnswer> => {
    askedAtMs.set(name, clock.monotonic());
    const tookMs = Math.min(timeoutMs, Number(name.split(".")[1] ?? 0));
    const isSilent = tookMs === timeoutMs;
    return new Promise((resolve) => {
      clock.setTimer(tookMs, () =>
        resolve(isSilent ? { kind: "failed", detail: "ETIMEOUT" } : FOUND),
      );
    });
  };
  const resolver = new NameResolver(
    { clock },
    {
      files: {
        refresh: () => Promise.resolve(),
        addressesOf: () => null,
        rules: { search: [], ndots: 1 },
      },
      ask,
      askSystem: () => Promise.reject(new Error("not asked")),
      turns: new FairSemaphore({
        resource: "name_lookups",
        permitsMax: AT_ONCE,
        permitsPerProjectMax: () => PER_PROJECT,
        waitingPerProjectMax: 10_000,
      }),
    },
  );
  const lookUp = (host: string, projectId: string): void => {
    resolver.lookup({ host, projectId, isListed: false }).catch(() => undefined);
  };
  return { clock, askedAtMs, lookUp };
}

const act = (projects: number) =>
  fc.record({
    project: fc.nat({ max: projects - 1 }),
    count: fc.integer({ min: 1, max: 60 }),
    answerMs: fc.constantFrom(0, 5, 400, LOOKUP_MS_MAX),
    passMs: fc.constantFrom(0, 0, 0, 7, 150, 2_000),
  });

test.each([
  ["seven projects", "are asked for at once", AT_ONCE / PER_PROJECT - 1, 0],
  [
    "more than can look up names at once",
    "wait for one lookup at most",
    AT_ONCE / PER_PROJECT + 4,
    LOOKUP_MS_MAX,
  ],
])(
  "beside %s, whatever they look up and however silent the name servers are, another's names %s",
  async (_who, _what, projects, waitMsMax) => {
    await fc.assert(
      fc.asyncProperty(fc.array(act(projects), { minLength: 5, maxLength: 40 }), async (acts) => {
        const { clock, askedAtMs, lookUp } = openResolver();
        const wantedAtMs = new Map<string, number>();
        let names = 0;
        for (const [index, { project, count, answerMs, passMs }] of acts.entries()) {
          for (let one = 0; one < count; one += 1) {
            lookUp(`name-${(names += 1)}.${answerMs}.test`, `loud ${project}`);
          }
          if (index % 5 === 4) {
            const name = `quiet-${index}.0.test`;
            wantedAtMs.set(name, clock.monotonic());
            lookUp(name, "quiet");
          }
          await clock.advanceSettling(passMs);
        }
        await clock.advanceSettling(LOOKUP_MS_MAX + 1);
        for (const [name, atMs] of wantedAtMs) {
          const waitedMs = (askedAtMs.get(name) ?? Infinity) - atMs;
          expect(waitedMs, name).toBeLessThanOrEqual(waitMsMax);
        }
      }),
      { numRuns: 20 },
    );
  },
);
