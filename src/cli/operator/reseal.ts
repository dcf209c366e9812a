import type { Config } from "../../config.ts";
import { publicId } from "../../core/ids/ids.ts";
import { withOperatorDatabase } from "./operator-database.ts";
import { systemClock } from "../../runtime/clock.ts";
import { encryptionKeys } from "../../runtime/settings/encryption-keys.ts";
import type { Log } from "../../runtime/process/log.ts";
import {
  createSecretBox,
  type SealedPlace,
  SecretBoxError,
  type SecretRing,
} from "../../runtime/secrets/secret-box.ts";
import { textTable } from "../frame/output.ts";
import { createUuidSource } from "../../runtime/runtime.ts";
import { listProjects } from "../../store/projects/administer-projects.ts";
import { audited } from "../../store/projects/audit-log.ts";
import type { Database } from "../../store/db/database.ts";
import { setByDatabase } from "../../store/db/read-clock.ts";
import {
  countSealed,
  findSealedBefore,
  rangesOf,
  replaceSealed,
  SEALED_COLUMNS,
  type SealedColumn,
  type SealedKey,
  type SealedRow,
} from "../../store/schema/sealed-columns.ts";

/** Values a step reads and replaces: some milliseconds of work, so that nothing waits for it. */
const PAGE_ROWS = 200;
/** Values that cannot be opened are counted; so many are named. */
const UNREADABLE_NAMED_MAX = 20;

interface ResealOptions {
  /** Only counts. */
  readonly dryRun: boolean;
  /** Hears how many secrets have been encrypted again, from time to time. */
  readonly onProgress?: (resealed: number) => void;
}

export interface ResealOutcome {
  /** The text to print. */
  readonly text: string;
  /** The same for a program. */
  readonly json: object;
  /** True when every secret is under the first key, so that the others can be retired. */
  readonly allUnderFirstKey: boolean;
}

/**
 * Encrypts every stored secret under the first key of the ring, a page at a time and while gateways
 * run: a value is replaced only if it is still as it was read. Then counts what is under which key.
 */
export async function runReseal(
  options: ResealOptions,
  config: Config,
  log: Log,
): Promise<ResealOutcome> {
  const ring = createSecretBox(await encryptionKeys(config));
  return withOperatorDatabase({ config, log, applicationName: "ringback reseal" }, (database) =>
    reseal({ database, log }, ring, options),
  );
}

async function reseal(
  ports: { readonly database: Database; readonly log: Log },
  ring: SecretRing,
  { dryRun, onProgress = () => undefined }: ResealOptions,
): Promise<ResealOutcome> {
  const { database } = ports;
  const done: Done = { resealed: 0, unreadable: [], onProgress };
  if (!dryRun)
    for (const column of SEALED_COLUMNS) await resealColumn(database, ring, column, done);
  if (done.resealed > 0) await noteReseal(ports, ring, done.resealed);
  const counts = await countByKey(database);
  const others = counts.filter(({ keyId }) => keyId !== ring.keyIds[0]);
  const allUnderFirstKey = others.length === 0;
  return {
    text: report({ ...done, dryRun, counts, ring }),
    json: {
      dry_run: dryRun,
      resealed: done.resealed,
      keys: ring.keyIds,
      counts: counts.map(({ column, keyId, count }) => ({ column, key: keyId, secrets: count })),
      unreadable: done.unreadable,
      all_under_first_key: allUnderFirstKey,
    },
    allUnderFirstKey,
  };
}

/** Pages are transactions of their own; the audit log of every project has one entry about them all. */
async function noteReseal(
  { database, log }: { readonly database: Database; readonly log: Log },
  { keyIds: [keyId = ""] }: SecretRing,
  secrets: number,
): Promise<void> {
  const newUuid = createUuidSource();
  await setByDatabase(systemClock, database);
  const nowMs = systemClock.now();
  const actor = { kind: "operator", command: "reseal" } as const;
  const ports = { actor, newId: () => newUuid(nowMs, 0), log };
  await audited(database, "note-reseal", ports, async (within, note) => {
    for (const { id: projectId } of await listProjects(within)) {
      const details = { secrets_of_all_projects: secrets, key: keyId };
      const subject = publicId("project", projectId);
      note({ projectId, action: "secrets.resealed", subject, details });
    }
  });
}

interface Done {
  resealed: number;
  /** Where a value is that no key of the ring opens, or that was altered. */
  readonly unreadable: string[];
  readonly onProgress: (resealed: number) => void;
}

async function resealColumn(
  database: Database,
  ring: SecretRing,
  column: SealedColumn,
  done: Done,
): Promise<void> {
  for (const shards of rangesOf(column)) {
    let after: SealedKey | null = null;
    for (;;) {
      const { sealingPrefix: currentPrefix } = ring;
      const found: SealedRow[] = await findSealedBefore(database, column, {
        shards,
        after,
        currentPrefix,
        limit: PAGE_ROWS,
      });
      const fresh = found.flatMap(({ shardId, id, sealed }) => {
        const place = { column: column.name, id };
        const plain = openOrNull(ring, sealed, place);
        if (plain === null) done.unreadable.push(`${column.name} of ${id}`);
        return plain === null
          ? []
          : [{ shardId, id, before: sealed, after: ring.seal(plain, place) }];
      });
      if (fresh.length > 0) done.resealed += await replaceSealed(database, column, fresh);
      done.onProgress(done.resealed);
      after = found.at(-1) ?? null;
      if (found.length < PAGE_ROWS) break;
    }
  }
}

function openOrNull(ring: SecretRing, sealed: string, place: SealedPlace): string | null {
  try {
    return ring.open(sealed, place);
  } catch (error) {
    if (error instanceof SecretBoxError) return null;
    throw error;
  }
}

interface KeyCount {
  readonly column: string;
  readonly keyId: string;
  readonly count: number;
}

async function countByKey(database: Database): Promise<KeyCount[]> {
  const counts: KeyCount[] = [];
  for (const column of SEALED_COLUMNS) {
    const byKey = new Map<string, number>();
    for (const shards of rangesOf(column)) {
      for (const { keyId, count } of await countSealed(database, column, shards)) {
        byKey.set(keyId, (byKey.get(keyId) ?? 0) + count);
      }
    }
    for (const [keyId, count] of byKey) counts.push({ column: column.name, keyId, count });
  }
  return counts;
}

function report({
  dryRun,
  resealed,
  unreadable,
  counts,
  ring,
}: Pick<Done, "resealed" | "unreadable"> & {
  readonly dryRun: boolean;
  readonly counts: readonly KeyCount[];
  readonly ring: SecretRing;
}): string {
  const [first = ""] = ring.keyIds;
  const lines = dryRun ? [] : [`${resealed} secrets were encrypted again, under key ${first}.`, ""];
  const rows = counts.map(({ column, keyId, count }) => [column, keyId, String(count)]);
  lines.push(textTable([["column", "key", "secrets"], ...rows]), "");
  const total = (of: (keyId: string) => boolean): number =>
    counts.reduce((sum, { keyId, count }) => sum + (of(keyId) ? count : 0), 0);
  for (const keyId of ring.keyIds) {
    const role = keyId === first ? "encrypts" : "only decrypts";
    lines.push(`Key ${keyId} ${role}: ${total((id) => id === keyId)} secrets are under it.`);
  }
  const unknown = total((keyId) => !ring.keyIds.includes(keyId));
  if (unknown > 0) {
    lines.push(
      `${unknown} secrets are under keys that RINGBACK_ENCRYPTION_KEYS does not hold; add those keys and run reseal again.`,
    );
  }
  lines.push(...unreadable.slice(0, UNREADABLE_NAMED_MAX).map((place) => `Not readable: ${place}`));
  const others = total((keyId) => keyId !== first);
  lines.push(
    others === 0
      ? "All secrets are under the first key: the other keys can be taken out of RINGBACK_ENCRYPTION_KEYS."
      : `${others} secrets are not under the first key${dryRun ? "" : "; a gateway that still encrypts under another key may have written them: run reseal again"}.`,
  );
  return lines.join("\n");
}
