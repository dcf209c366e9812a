import { pulse } from "./catalogue/pulse.ts";
import { sandbox } from "./catalogue/sandbox.ts";
import type { Provider } from "./provider.ts";
import { readDefinition } from "./read-definition.ts";

/**
 * The providers that come with the program, by name.
 * @param sandboxUrl where this gateway serves its sandbox, unless at the default address
 */
export function builtInProviders(sandboxUrl?: string): ReadonlyMap<string, Provider> {
  return new Map(sourcesOf(sandboxUrl).map((source) => [source.name, read(source)]));
}

/** The definition of a built-in provider as it is written down, defaults left out. */
export function writtenBuiltIn(name: string, sandboxUrl?: string): object {
  const source = sourcesOf(sandboxUrl).find((one) => one.name === name);
  if (source === undefined) throw new Error(`There is no built-in provider ${name}.`);
  return source;
}

function sourcesOf(sandboxUrl: string = sandbox.base_url) {
  return [pulse, { ...sandbox, base_url: sandboxUrl }];
}

function read(source: { readonly name: string }): Provider {
  const reading = readDefinition(source);
  if (reading.ok) return reading.provider;
  const [problem] = reading.problems;
  throw new Error(`The definition of ${source.name}: ${problem?.pointer} ${problem?.detail}`);
}
