import { expect } from "vitest";
import { ClientConnections } from "../../../../src/api/client-connections.ts";
import { Authenticator } from "../../../../src/api/http/auth.ts";
import { PagedBodies } from "../../../../src/api/http/paged-body.ts";
import { BodyBudget } from "../../../../src/api/request/body-budget.ts";
import { ListTurns } from "../../../../src/api/request/list-turns.ts";
import { RefusedKeys } from "../../../../src/api/request/refused-keys.ts";
import { RequestAdmission } from "../../../../src/api/request/request-admission.ts";
import { WaitingRequests } from "../../../../src/api/request/waiting-requests.ts";
import { ApiKeyDirectory } from "../../../../src/cluster/api-keys/api-key-directory.ts";
import type { Timer } from "../../../../src/runtime/clock.ts";
import { newApiKey } from "../../../../src/runtime/secrets/api-key.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { TestLimits } from "../../../support/project-limits.ts";
import { testRuntime } from "../../../support/runtime.ts";
import {
  A_TURN_EACH,
  AT_ONCE,
  type Contest,
  endsByItself,
  Held,
  LOUD,
  MIB,
  QUIET,
} from "./contest.ts";
import { SlowDatabase } from "./slow-database.ts";

/** Who asks is an address here. */
export function clientConnections(): Contest {
  const open = new Held<{ isOpen: boolean; destroy: () => void }>();
  const connections = new ClientConnections<{ destroy(): void }>({
    connectionsMax: 100,
    connectionsPerAddressMax: 100,
  });
  return {
    othersMax: AT_ONCE,
    crowd: 50,
    ask(address, granted) {
      const connection = { isOpen: true, destroy: () => void (connection.isOpen = false) };
      connections.opened(connection, address);
      if (!connection.isOpen) return;
      if (address !== QUIET) connections.began(connection);
      open.add(address, connection);
      granted();
    },
    end(address) {
      const connection = open.take(address);
      if (connection?.isOpen === true) connections.closed(connection);
      return connection !== undefined;
    },
  };
}

const KEYS_PER_LOOKUP = 256;
const LOOKUPS_PER_ADDRESS = 32;
const ADDRESSES = 6;

/** Each of them has several addresses, which send keys that were never created, with good checksums. */
export function keyLookups(): Contest {
  const clock = new FakeClock();
  const runtime = testRuntime({ clock });
  const database = new SlowDatabase();
  const authenticator = new Authenticator({
    apiKeys: new ApiKeyDirectory(runtime, {
      run: () => database.run(),
      transaction: () => database.transaction(),
      within: () => database,
    }),
    refusedKeys: new RefusedKeys({ clock, log: runtime.log }),
    clock,
    metrics: { authenticationFailures: { add: () => undefined } },
  });
  const waiting = new Map<string, number>();
  let asks = 0;
  const count = (address: string, change: 1 | -1): void =>
    void waiting.set(address, (waiting.get(address) ?? 0) + change);
  return {
    // All that are being looked up now, and all that are looked up together with its own.
    othersMax: 2 * KEYS_PER_LOOKUP,
    crowd: 300,
    ask(who, granted) {
      const address = `${who} ${(asks += 1) % ADDRESSES}`;
      const outcome = authenticator.authenticateKey(newApiKey(), { address });
      if (!(outcome instanceof Promise)) return;
      count(address, 1);
      void outcome.then(() => {
        count(address, -1);
        granted();
      });
    },
    end: endsByItself,
    pass: () => database.answerOldest(),
    check: () => expect(Math.max(...waiting.values())).toBeLessThanOrEqual(LOOKUPS_PER_ADDRESS),
  };
}

export function lists(): Contest {
  const heldMax = 2;
  const turns = new ListTurns(new TestLimits({ lists_running: heldMax }), new FakeClock());
  const held = new Held<() => void>();
  return {
    othersMax: A_TURN_EACH,
    crowd: 40,
    heldMax,
    ask(who, granted) {
      void turns.answer(who, () => {
        granted();
        return new Promise((resolve) => {
          held.add(who, () => resolve({ status: 204, headers: {}, body: null }));
        });
      });
    },
    end: (who) => endNext(held, who),
  };
}

/** Memory reserved for each byte of a body, since the parsed body is larger. */
const PARSED_FACTOR = 16;

/** @param expected how many bodies of 1 MiB each may have, and all of them together */
export function requestBytes(
  { each, inAll }: { readonly each: number; readonly inAll: number },
  othersMax: number,
): Contest {
  const limits = new TestLimits({ request_bytes: each * MIB });
  const budget = new BodyBudget(inAll * PARSED_FACTOR * MIB, limits, new FakeClock());
  const request = new Request("http://gateway", { headers: { "content-length": `${MIB}` } });
  const held = new Held<() => void>();
  return {
    othersMax,
    crowd: 100,
    heldMax: Math.min(each, inAll / 2),
    ask(who, granted) {
      void budget.admit(request, who, MIB).then((leave) => {
        if (leave === null) return;
        held.add(who, leave);
        granted();
      });
    },
    end: (who) => endNext(held, who),
  };
}

/** Requests that begin in turns of the event loop. */
export function requests(): Contest {
  const begunPerTurn = 16;
  return {
    ...admission(1_000_000),
    othersMax: begunPerTurn + LOUD.length,
  };
}

/** Large bodies that have come, one of which is read in each turn of the event loop. */
export function requestReading(): Contest {
  const admission = new RequestAdmission(new TestLimits(), new FakeClock());
  return {
    // The one that is being read, and one of each.
    othersMax: 1 + LOUD.length,
    crowd: 100,
    ask: (who, granted) => void Promise.resolve(admission.beginReading(who)).then(granted),
    end: endsByItself,
  };
}

/** The loud ones may send a few, and have done so. */
export function requestsWithinRates(): Contest {
  const few = 10;
  return { ...admission(1), othersMax: AT_ONCE, heldMax: few };
}

function admission(perSecond: number): Omit<Contest, "othersMax"> {
  const limits = new TestLimits({ requests_per_second: perSecond });
  const admitted = new RequestAdmission(limits, new FakeClock());
  return {
    crowd: 100,
    ask(who, granted) {
      void Promise.resolve(admitted.admit(who)).then(({ refusal }) => {
        if (refusal === null) granted();
      });
    },
    end: endsByItself,
  };
}

const REFUSALS_HELD_MAX = 4_000;

/** Refusals that are held back: of the projects' requests, and of the last loud one's keys, by its address. */
export function refusalsHeld(): Contest {
  const held = new Held<() => void>();
  let heldCount = 0;
  let asking: { readonly who: string; readonly granted: () => void } | null = null;
  class Holding extends FakeClock {
    override setTimer(delayMs: number, fire: () => void): Timer {
      if (asking === null) return super.setTimer(delayMs, fire);
      held.add(asking.who, fire);
      heldCount += 1;
      asking.granted();
      return { cancel: () => undefined };
    }
  }
  const admission = new RequestAdmission(new TestLimits({ requests_per_second: 0 }), new Holding());
  const addressed = LOUD.at(-1);
  return {
    othersMax: AT_ONCE,
    crowd: REFUSALS_HELD_MAX / 4,
    heldMax: REFUSALS_HELD_MAX / 2,
    ask(who, granted) {
      asking = { who, granted };
      void (who === addressed ? admission.holdBackFrom("192.0.2.1", null) : admission.admit(who));
      asking = null;
    },
    end(who) {
      const hasEnded = endNext(held, who);
      if (hasEnded) heldCount -= 1;
      return hasEnded;
    },
    check: () => expect(heldCount).toBeLessThanOrEqual(REFUSALS_HELD_MAX),
  };
}

export function requestsWaiting(): Contest {
  const heldMax = 10;
  const limits = new TestLimits({ requests_waiting: heldMax });
  const waiting = new WaitingRequests(limits, new FakeClock(), 20);
  const held = new Held<() => void>();
  return {
    othersMax: A_TURN_EACH,
    crowd: 40,
    heldMax,
    ask(who, granted) {
      void waiting.enter(who, new AbortController().signal).then((refusal) => {
        if (refusal !== null) return;
        held.add(who, () => waiting.leave(who));
        granted();
      });
    },
    end: (who) => endNext(held, who),
  };
}

export function resultReaders(): Contest {
  const heldMax = 30;
  const bodies = new PagedBodies(new TestLimits({ result_readers: heldMax }), new FakeClock());
  const held = new Held<() => void>();
  let results = 0;
  return {
    othersMax: AT_ONCE,
    crowd: 60,
    heldMax,
    ask(projectId, granted) {
      const body = bodies.admit({ projectId, eventId: `${(results += 1)}` });
      if (typeof body === "string") return;
      held.add(projectId, () => body.end("read"));
      granted();
    },
    end: (who) => endNext(held, who),
  };
}

function endNext(held: Held<() => void>, who: string): boolean {
  const end = held.take(who);
  end?.();
  return end !== undefined;
}
