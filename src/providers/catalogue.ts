import { pulse } from "./catalogue/pulse.ts";
import { sandbox } from "./catalogue/sandbox.ts";
import type { Provider } from "./provider.ts";
import { readDefinition } from "./read-definition.ts";

const SOURCES = [pulse, sandbox];

/** The providers that come with the program, by name. */
export function builtInProviders(): ReadonlyMap<string, Provider> {
  return new Map(SOURCES.map((source) => [source.name, read(source)]));
}

function read(source: { readonly name: string }): Provider {
  const reading = readDefinition(source);
  if (reading.ok) return reading.provider;
  const [problem] = reading.problems;
  throw new Error(`The definition of ${source.name}: ${problem?.pointer} ${problem?.detail}`);
}
