import type { Config } from "./config.ts";
import type { SharedProviders } from "./polling/provider-directory.ts";
import { builtInProviders } from "./providers/catalogue.ts";
import type { KnownProvider } from "./providers/known-provider.ts";
import type { Provider } from "./providers/provider.ts";

/** The providers that every project may use: those that come with the program. */
export function sharedProviders(config: Config): SharedProviders {
  const builtIn = new Map(builtInProviders());
  if (!config.sandbox) builtIn.delete("sandbox");
  const all = builtIn.values().map(asBuiltIn).toArray();
  return { builtIn, all };
}

function asBuiltIn(provider: Provider): KnownProvider {
  return { provider, source: "built_in", version: null };
}
