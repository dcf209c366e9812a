import { pulse } from "./catalogue/pulse.ts";
import { sandbox } from "./catalogue/sandbox.ts";
import type { Provider } from "./provider.ts";
import { readDefinition } from "./read-definition.ts";

/**
 * The providers that come with the program, by name.
 * @param sandboxUrl where this gateway serves its sandbox, unless at the default address
 */
export function builtInProviders(
  sandboxUrl: string = sandbox.base_url,
): ReadonlyMap<string, Provider> {
  const sources = [pulse, { ...sandbox, base_url: sandboxUrl }];
  return new Map(sources.map((source) => [source.name, read(source)]));
}

function read(source: { readonly name: string }): Provider {
  const reading = readDefinition(source);
  if (reading.ok) return reading.provider;
  const [problem] = reading.problems;
  throw new Error(`The definition of ${source.name}: ${problem?.pointer} ${problem?.detail}`);
}
