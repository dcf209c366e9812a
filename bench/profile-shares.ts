import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/*
 * npm run bench -- poll --quick --profile /tmp/profiles
 * npx node bench/profile-shares.ts /tmp/profiles
 *
 * Where a gateway's time went while it was measured: a flame graph in a few lines.
 */

const FUNCTIONS_SHOWN = 12;
const PLACES: readonly (readonly [RegExp, string])[] = [
  [/\/src\/([a-z]+)\//, "src/$1"],
  [/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//, "$1"],
  [/^node:internal\/(?:deps\/)?([a-z_]+)/, "node:$1"],
  [/^node:([a-z_]+)/, "node:$1"],
];

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** Time between each sample and the one before it, in µs. */
  readonly timeDeltas: readonly number[];
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("Name the folder of the profiles.");
for (const name of readdirSync(folder)) {
  if (!name.endsWith(".cpuprofile")) continue;
  const profile = JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile;
  describe(profile);
}

function describe(profile: Profile): void {
  const byPlace = new Map<string, number>();
  const byFunction = new Map<string, number>();
  const times = selfTimes(profile);
  for (const { id, callFrame } of profile.nodes) {
    const us = times.get(id) ?? 0;
    const place = placeOf(callFrame.url, callFrame.functionName);
    if (us === 0 || place === "(idle)") continue;
    const title = `${callFrame.functionName || "(anonymous)"} ${place}:${callFrame.lineNumber + 1}`;
    byPlace.set(place, (byPlace.get(place) ?? 0) + us);
    byFunction.set(title, (byFunction.get(title) ?? 0) + us);
  }
  const busyUs = byPlace.values().reduce((sum, us) => sum + us, 0);
  console.log(`\nbusy for ${Math.round(busyUs / 1000)} ms`);
  print(byPlace, busyUs);
  print(byFunction, busyUs);
}

function selfTimes({ samples, timeDeltas }: Profile): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    times.set(id, (times.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return times;
}

/** Node's own pseudo functions, as (garbage collector), have no file. */
function placeOf(url: string, name: string): string {
  for (const [pattern, place] of PLACES) {
    const match = pattern.exec(url);
    if (match !== null) return place.replace("$1", match[1] ?? "");
  }
  return url === "" ? (name.startsWith("(") ? name : "built-in") : "src";
}

function print(times: ReadonlyMap<string, number>, busyUs: number): void {
  const sorted = [...times].toSorted(([, a], [, b]) => b - a).slice(0, FUNCTIONS_SHOWN);
  console.log("");
  for (const [title, us] of sorted) {
    console.log(`${((100 * us) / busyUs).toFixed(1).padStart(5)} %  ${title}`);
  }
}
