/* Reads hostile answers as a gateway on a machine of 1 GiB would, and prints what memory that took. */
import { planMemory } from "../../src/core/limits/machine-plan.ts";
import { AnswerReader } from "../../src/polling/request/body-reader.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { testRuntime } from "./runtime.ts";

const MIB = 2 ** 20;
const BYTES = 10 * MIB;

const BOMBS: ((body: Buffer) => void)[] = [
  (body) => body.fill("["),
  (body) => body.fill("[", 0, BYTES / 2).fill("]", BYTES / 2),
  (body) => body.fill('{"a":'),
  (body) =>
    body
      .fill("[],")
      .fill("[ 1", 0, 3)
      .fill(",1]", BYTES - 3),
  (body) =>
    body
      .fill("{},")
      .fill("[ 1", 0, 3)
      .fill(",1]", BYTES - 3),
];

const provider = exampleProvider();
const { parsedAnswerBytesMax, readerHeapBytesMax } = planMemory(2 ** 30);
const reader = new AnswerReader(testRuntime(), {
  largeBytesMin: 256 * 1024,
  parsedBytesMax: parsedAnswerBytesMax,
  heapBytesMax: readerHeapBytesMax,
  timeoutMs: 600_000,
});
const facts = { seenBefore: true, ageMs: 0, nowMs: 0, unchanged: null };

async function read(make: (body: Buffer) => void): Promise<string> {
  const body = Buffer.allocUnsafeSlow(BYTES);
  make(body);
  const answer = { status: 200, headers: {}, body };
  const meaning = await reader.read("o", { kind: "status", facts }, provider, answer);
  return meaning?.kind === "retry" ? meaning.cause : String(meaning?.kind);
}

await read((body) => body.fill(" "));
const before = process.memoryUsage.rss();
const causes: string[] = [];
for (const make of BOMBS) causes.push(await read(make));
const peak = process.resourceUsage().maxRSS * 1024;
await reader.close();
globalThis.gc?.();
const after = process.memoryUsage.rss();
process.stdout.write(JSON.stringify({ before, peak, after, causes }));
