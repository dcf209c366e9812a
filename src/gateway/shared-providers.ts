import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config.ts";
import { createAddressGuard } from "../outbound/guard/address-guard.ts";
import { checkUpstreamUrl } from "../outbound/guard/callback-url.ts";
import type { SharedProviders } from "../polling/upstream/provider-directory.ts";
import { builtInProviders } from "../providers/catalogue.ts";
import {
  type FileDefinition,
  type FileProblem,
  readDefinitionFiles,
} from "../providers/compile/files.ts";
import { parseDefinition } from "../providers/definition/text.ts";
import type { ProviderVersion } from "../providers/compile/provider.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { keepFileDefinition } from "../store/connections/put-provider.ts";
import { audited } from "../store/projects/audit-log.ts";
import { loadProjects } from "../store/projects/manage-projects.ts";

/** Definitions in files are wrong; the message is for the operator and names every mistake. */
export class WrongDefinitionsError extends Error {
  override readonly name = "WrongDefinitionsError";

  constructor(folder: string, problems: readonly FileProblem[]) {
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    const lines = problems.map(({ file, pointer, detail }) =>
      `  ${file} ${pointer}`.trimEnd().concat(`: ${detail}`),
    );
    const head = `Ringback can't start: ${count} in RINGBACK_PROVIDERS_DIR, ${folder}.`;
    super([head, ...lines].join("\n"));
  }
}

/** The operator's own definitions. Throws `WrongDefinitionsError`. */
export async function readProvidersFolder(config: Config): Promise<readonly FileDefinition[]> {
  const { providersDir: folder, egressAllow, pulse } = config;
  if (folder === null) return [];
  const guard = createAddressGuard(egressAllow.everybody);
  const operators = new URL(pulse.baseUrl).origin;
  const { definitions, problems } = await readDefinitionFiles(folder, (url) => {
    const check = checkUpstreamUrl(url, guard, (origin) => origin === operators);
    return check.ok ? null : check.reason;
  });
  if (problems.length > 0) throw new WrongDefinitionsError(folder, problems);
  return definitions;
}

/**
 * The providers that every project may use: those that come with the program, and those of the
 * operator's files, which come before a built-in one of their name. The files' contents are kept in
 * the database in versions, so that a job keeps its definition even on a node whose files
 * differ.
 */
export async function sharedProviders(
  runtime: Runtime,
  database: Database,
  {
    config,
    localUrl,
    definitions,
  }: {
    readonly config: Config;
    /** Where this process can be reached from its own machine, for the sandbox. */
    readonly localUrl: string;
    /** The operator's own. */
    readonly definitions: readonly FileDefinition[];
  },
): Promise<SharedProviders> {
  const builtIn = new Map(builtInProviders(localUrl));
  if (!config.sandbox) builtIn.delete("sandbox");
  const known = new Map<string, ProviderVersion>(builtIn);
  for (const { provider, written } of definitions) {
    const { name } = provider;
    const version = await keepVersion(runtime, database, name, written);
    known.set(name, { name, provider, written, source: "file", version });
  }
  return { builtIn, all: [...known.values()] };
}

async function keepVersion(
  { clock, uuids, log }: Runtime,
  database: Database,
  name: string,
  written: object,
): Promise<ProviderVersion["version"]> {
  const actor = { kind: "operator", command: "start" } as const;
  const ports = { actor, newId: () => uuids(clock.now(), 0), log };
  return audited(database, "keep-file-definition", ports, async (within, note) => {
    const newId = uuids(clock.now(), 0);
    const { id, version, createdAtMs } = await keepFileDefinition(within, {
      id: newId,
      name,
      definition: JSON.stringify(written),
      keyId: null,
      isSame: (stored) => isDeepStrictEqual(parseDefinition(stored), written),
    });
    if (id === newId) {
      const action = version === 1 ? "provider.created" : "provider.changed";
      const details = { version, source: "file" };
      // It is every project's.
      for (const { id: projectId } of await loadProjects(within, 0)) {
        note({ projectId, action, subject: name, details });
      }
    }
    return { id, number: version, createdAtMs };
  });
}
