import { pulse } from "./catalogue/pulse.ts";
import { sandbox } from "./catalogue/sandbox.ts";
import { providerDefinitionSchema } from "./definition.ts";
import { compileProvider, type Provider } from "./provider.ts";

const SOURCES = [pulse, sandbox];

/** The providers that come with the program, by name. */
export function builtInProviders(): ReadonlyMap<string, Provider> {
  const providers = SOURCES.map((source) =>
    compileProvider(providerDefinitionSchema.parse(source)),
  );
  return new Map(providers.map((provider) => [provider.name, provider]));
}
