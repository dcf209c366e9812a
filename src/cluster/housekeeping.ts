import type { Runtime, Service } from "../runtime/runtime.ts";
import { Repeater } from "../runtime/repeater.ts";
import { forgetAuditEntries } from "../store/projects/audit-log.ts";
import { forgetConsoleLinks } from "../store/projects/console-links.ts";
import { forgetProjectMinutes } from "../store/projects/project-minutes.ts";
import { forgetOldAnswers } from "../store/projects/idempotent-answers.ts";
import { forgetOldIdempotencyKeys } from "../store/subscriptions/find-idempotency-key.ts";
import { forgetOperationalEvents } from "../store/events/operational-events.ts";
import { forgetInspections } from "../store/inspections.ts";
import { forgetLaneStates } from "../store/lane-states.ts";
import { forgetOldInboxes } from "../store/inboxes/manage-inboxes.ts";
import { forgetDeadNodes } from "../store/nodes.ts";
import { Retention, type RetentionOptions } from "./retention.ts";

const INTERVAL_MS = 60_000;
const STATEMENTS_PER_ROUND_MAX = 20;
const AUDIT_INTERVAL_MS = 3_600_000;
const AUDIT_ENTRIES_PER_PROJECT_MAX = 100_000;

interface HousekeepingOptions extends RetentionOptions {
  /** How long entries of the audit log are kept. */
  readonly auditKeptForMs: number;
}

/** Removes rows that are past their time. */
export function createHousekeeping(runtime: Runtime, options: HousekeepingOptions): Service {
  const services = [
    createSweeper(runtime, options),
    createAuditTrimmer(runtime, options),
    new Retention(runtime, options),
  ];
  return {
    async start() {
      await Promise.all(services.map((service) => service.start()));
    },
    async stop() {
      await Promise.all(services.map((service) => service.stop()));
    },
  };
}

/** Keeps the audit log bounded; runs on the node that has the first shard. */
function createAuditTrimmer(runtime: Runtime, options: HousekeepingOptions): Service {
  const { database, shards, auditKeptForMs: keptForMs } = options;
  return new Repeater(runtime, {
    ...options,
    name: "trim the audit log",
    intervalMs: AUDIT_INTERVAL_MS,
    async task() {
      for (let statement = 0; statement < STATEMENTS_PER_ROUND_MAX; statement += 1) {
        if (!shards.has(0)) return;
        const rowsMax = AUDIT_ENTRIES_PER_PROJECT_MAX;
        if ((await forgetAuditEntries(database, { keptForMs, rowsMax })) === 0) return;
      }
    },
  });
}

/** Removes small, short-lived rows, a bounded number a round. */
function createSweeper(
  runtime: Runtime,
  { database, shards, keptForMs }: HousekeepingOptions,
): Service {
  return new Repeater(runtime, {
    name: "forget keys and nodes",
    intervalMs: INTERVAL_MS,
    async task() {
      await forgetDeadNodes(database);
      await forgetLaneStates(database);
      await forgetInspections(database);
      for (let statement = 0; statement < STATEMENTS_PER_ROUND_MAX; statement += 1) {
        const shardIds = shards.list;
        if (shardIds.length === 0) return;
        const forgotten =
          (await forgetOldIdempotencyKeys(database, shardIds)) +
          (shards.has(0)
            ? (await forgetOldAnswers(database)) +
              (await forgetProjectMinutes(database)) +
              (await forgetConsoleLinks(database))
            : 0) +
          (await forgetOperationalEvents(database, shardIds)) +
          (await forgetOldInboxes(database, runtime.clock.now() - keptForMs));
        if (forgotten === 0) return;
      }
    },
  });
}
