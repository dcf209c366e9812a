import type { Config } from "../../config.ts";
import { storedEncryptionKeys } from "../../runtime/settings/encryption-keys.ts";
import {
  createSecretBox,
  SecretBoxError,
  type SecretRing,
} from "../../runtime/secrets/secret-box.ts";
import type { Database } from "../../store/db/database.ts";
import { rangesOf, sampleSealed, SEALED_COLUMNS } from "../../store/schema/sealed-columns.ts";
import { type Check, failed, ok } from "../frame/verdicts.ts";

const NAME = "encryption";
/** Values that cannot be opened are named up to here. */
const NAMED_MAX = 10;

/**
 * Opens one stored secret for each key and column, so that a key which is missing from the ring, or a wrong
 * one, is found before a callback or a poll needs it. Changes nothing, and creates no key.
 */
export async function checkEncryptionKeys(config: Config, database: Database): Promise<Check> {
  const keys = await storedEncryptionKeys(config);
  if (keys === null) {
    return failed(
      NAME,
      `There is a database, and no encryption.key in ${config.dataDir} to open its secrets with.`,
      "Restore the file from a backup, or set RINGBACK_ENCRYPTION_KEYS.",
    );
  }
  const ring = createSecretBox(keys);
  const { opened, problems } = await openSamples(database, ring);
  if (problems.length > 0) {
    return failed(
      NAME,
      problems.slice(0, NAMED_MAX).join("\n"),
      "Add the keys that these secrets were encrypted with to RINGBACK_ENCRYPTION_KEYS; ringback reseal --dry-run " +
        "counts what is under which.",
    );
  }
  const [first = ""] = ring.keyIds;
  const used = ring.keyIds.filter((id) => opened.has(id));
  const unused = ring.keyIds.filter((id) => id !== first && !opened.has(id));
  const parts = [
    used.length === 0
      ? "No secret is stored yet."
      : `Secrets under ${listed(used)} were opened; ${first} encrypts.`,
    ...(unused.length === 0 ? [] : [`Nothing is under ${listed(unused)}: it can be taken out.`]),
  ];
  return ok(NAME, parts.join(" "));
}

interface Samples {
  /** Ids of keys that opened what they should. */
  readonly opened: ReadonlySet<string>;
  readonly problems: readonly string[];
}

async function openSamples(database: Database, ring: SecretRing): Promise<Samples> {
  const opened = new Set<string>();
  const problems: string[] = [];
  for (const column of SEALED_COLUMNS) {
    const tried = new Set<string>();
    for (const shards of rangesOf(column)) {
      for (const { keyId, id, sealed } of await sampleSealed(database, column, shards)) {
        if (tried.has(keyId)) continue;
        tried.add(keyId);
        try {
          ring.open(sealed, { column: column.name, id });
          opened.add(keyId);
        } catch (error) {
          if (!(error instanceof SecretBoxError)) throw error;
          problems.push(`${column.name} of ${id}: ${error.message}`);
        }
      }
    }
  }
  return { opened, problems };
}

function listed(keyIds: readonly string[]): string {
  return `${keyIds.length === 1 ? "key" : "keys"} ${keyIds.join(", ")}`;
}
