import type { Config } from "./config.ts";
import type { SharedProviders } from "./polling/provider-directory.ts";
import { builtInProviders } from "./providers/catalogue.ts";
import type { KnownProvider } from "./providers/known-provider.ts";
import type { Provider } from "./providers/provider.ts";

/**
 * The providers that every project may use: those that come with the program.
 * @param localUrl where this process can be reached from its own machine, for the sandbox
 */
export function sharedProviders(config: Config, localUrl: string): SharedProviders {
  const builtIn = new Map(builtInProviders(localUrl));
  if (!config.sandbox) builtIn.delete("sandbox");
  const all = builtIn.values().map(asBuiltIn).toArray();
  return { builtIn, all };
}

function asBuiltIn(provider: Provider): KnownProvider {
  return { provider, source: "built_in", version: null };
}
