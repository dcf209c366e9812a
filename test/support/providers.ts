import { ProviderDirectory } from "../../src/polling/upstream/provider-directory.ts";
import type { JobProviders } from "../../src/polling/upstream/upstream.ts";
import { builtInProviders, writtenBuiltIn } from "../../src/providers/catalogue.ts";
import type { ProviderVersion } from "../../src/providers/compile/provider-version.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Database } from "../../src/store/db/database.ts";
import { testRuntime } from "./runtime.ts";

/** The built-in providers alone, as polling finds them. */
export function builtInOnly(): JobProviders {
  const providers = builtInProviders();
  return {
    current: (_projectId, name) => providers.get(name) ?? null,
    ofJob: (name) => providers.get(name) ?? null,
  };
}

function knownBuiltIns(): ProviderVersion[] {
  return [...builtInProviders()].map(([name, provider]) => ({
    provider,
    written: writtenBuiltIn(name),
    source: "built_in",
    version: null,
  }));
}

/** Providers as the engine keeps them, read again only when somebody asks for what is fresh. */
export function providersOn(
  database: Database,
  clock: Clock,
  {
    files = [],
    onChange = () => undefined,
  }: {
    readonly files?: readonly ProviderVersion[];
    readonly onChange?: (projectId: string, name: string) => void;
  } = {},
): ProviderDirectory {
  return new ProviderDirectory(testRuntime({ clock }), {
    database,
    health: { requireReachable: () => undefined },
    shared: { builtIn: builtInProviders(), all: [...knownBuiltIns(), ...files] },
    onChange,
  });
}
