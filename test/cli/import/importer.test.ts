import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { csvRows } from "../../../src/cli/import/csv-rows.ts";
import {
  type ImportOptions,
  importRows,
  type RefusedLine,
} from "../../../src/cli/import/importer.ts";
import { jsonRows, type Row, ROW_BYTES_MAX, withDefaults } from "../../../src/cli/import/rows.ts";
import {
  type RequestSpec,
  RingbackError,
  type SubscriptionBatch,
} from "../../../src/client/ringback.ts";

/* Reading a file and sending its lines. test/cli/import.test.ts runs the command. */

async function all(rows: AsyncIterable<Row>): Promise<readonly Row[]> {
  return Array.fromAsync(rows);
}

function bytes(...texts: readonly (string | Uint8Array)[]): Readable {
  return Readable.from(texts.map((text) => Buffer.from(text)));
}

test("NDJSON is read line by line, wherever chunks end", async () => {
  const text = '\u{feff}{"job_id":"é1"}\r\n\n  {"job_id":"2"}\n{"job_id":"3"}';
  const expected = [
    { line: 1, text: '{"job_id":"é1"}' },
    { line: 3, text: '{"job_id":"2"}' },
    { line: 4, text: '{"job_id":"3"}' },
  ];
  expect(await all(jsonRows(bytes(text)))).toEqual(expected);
  const single = Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte));
  expect(await all(jsonRows(bytes(...single)))).toEqual(expected);
});

test("a line that is too long or not UTF-8 is refused alone", async () => {
  const long = "x".repeat(ROW_BYTES_MAX + 1);
  const rows = await all(jsonRows(bytes("{}\n", long, long, "\n", Uint8Array.of(0xff), "\n{}")));
  expect(rows).toEqual([
    { line: 1, text: "{}" },
    { line: 2, problem: "The line is longer than 256 KiB." },
    { line: 3, problem: "The line is not UTF-8." },
    { line: 4, text: "{}" },
  ]);
});

test("CSV names its fields in the first line; cells become what the request wants", async () => {
  const csv = [
    "job_id,metadata.invoice,metadata.note,events,deadline_s,fetch_result,params,retry_schedule_s",
    'a,17,"one, ""two""\nlines",job.completed job.failed,60,TRUE,"{""region"": ""eu""}","[1, 2.50]"',
    "b,,,,soon,perhaps,{,",
    "c,1",
    "",
    "d,,,,,,,",
  ].join("\r\n");
  const [a, b, ...rest] = await all(csvRows(bytes(csv)));
  expect(a).toEqual({
    line: 2,
    text:
      '{"job_id":"a","events":["job.completed","job.failed"],"deadline_s":60,"fetch_result":true,' +
      '"params":{"region": "eu"},"retry_schedule_s":[1, 2.50],' +
      '"metadata":{"invoice":"17","note":"one, \\"two\\"\\nlines"}}',
  });
  expect(b).toEqual({
    line: 4,
    text: '{"job_id":"b","deadline_s":"soon","fetch_result":"perhaps","params":"{"}',
  });
  expect(rest).toEqual([
    { line: 5, problem: "The line has 2 cells, the first line 8." },
    { line: 7, text: '{"job_id":"d"}' },
  ]);
});

test.each([
  ["job_id,callbackurl\na,b", /"callbackurl", which is no field/],
  ["job_id,inbox.x\na,b", /"inbox\.x", which is no field/],
  ['job_id,inbox\na,"b', /can't be read after line/],
])("CSV %j is refused as a whole", async (csv, message) => {
  await expect(all(csvRows(bytes(csv)))).rejects.toThrow(message);
});

test("defaults fill what a line leaves out, and change no digit of it", () => {
  const defaults = { inbox: "dev", provider: "replicate" };
  const text = (row: string) => withDefaults({ line: 1, text: row }, defaults);
  expect(text('{"job_id":"a","metadata":{"n":1.10}}')).toEqual({
    line: 1,
    text: '{"inbox":"dev","provider":"replicate","job_id":"a","metadata":{"n":1.10}}',
  });
  const own = '{"job_id":"a","callback_url":"https://x.example/","provider":"fal"}';
  expect(text(own)).toEqual({ line: 1, text: own });
  expect(text("{}")).toEqual({ line: 1, text: '{"inbox":"dev","provider":"replicate"}' });
  expect(text("[1]")).toMatchObject({ problem: expect.stringContaining("must be a JSON object") });
  expect(text('{"secret":"whsec_')).toEqual({ line: 1, problem: "The line is not valid JSON." });
});

interface Body {
  readonly subscriptions: readonly { readonly job_id: string }[];
  readonly idempotency_keys: readonly string[];
  readonly dry_run: boolean;
}

/** A gateway that answers as the test says. */
class ScriptedGateway {
  readonly bodies: Body[] = [];
  readonly refused: RefusedLine[] = [];
  readonly waits: number[] = [];
  lines = 0;
  readonly #answer: (body: Body) => readonly object[];

  constructor(answer: (body: Body) => readonly object[]) {
    this.#answer = answer;
  }

  options(changes: Partial<ImportOptions> = {}): ImportOptions {
    const read = async ({ bodyText = "" }: RequestSpec) => {
      const body = JSON.parse(bodyText) as Body;
      this.bodies.push(body);
      const text = JSON.stringify({ results: this.#answer(body) });
      return { value: JSON.parse(text) as SubscriptionBatch, text };
    };
    return {
      ringback: { read },
      defaults: {},
      isDryRun: false,
      signal: new AbortController().signal,
      sleep: async (ms) => void this.waits.push(ms),
      onRefused: (refused) => void this.refused.push(refused),
      onProgress: ({ lines }) => {
        this.lines = lines;
      },
      ...changes,
    };
  }
}

const CREATED = { outcome: "created", status: 201, subscription: {} };
const refusal = (code: string) => ({
  outcome: "refused",
  status: 400,
  error: { code, detail: `refused: ${code}` },
});

async function* manyRows(count: number): AsyncGenerator<Row> {
  for (let line = 1; line <= count; line += 1) yield { line, text: `{"job_id":"${line}"}` };
}

test("a file of any length is held some batches at a time", async () => {
  const gateway = new ScriptedGateway(({ subscriptions }) => subscriptions.map(() => CREATED));
  let read = 0;
  let heldMost = 0;
  async function* counted(): AsyncGenerator<Row> {
    for await (const row of manyRows(60_000)) {
      read += 1;
      heldMost = Math.max(heldMost, read - gateway.lines);
      yield row;
    }
  }
  const counts = await importRows(counted(), gateway.options());
  expect(counts).toEqual({ lines: 60_000, subscribed: 60_000, alreadySubscribed: 0, refused: 0 });
  expect(gateway.bodies).toHaveLength(60);
  expect(heldMost).toBeLessThanOrEqual(3_000);
});

test("a line has the same key at any place of any file", async () => {
  const gateway = new ScriptedGateway(({ subscriptions }) => subscriptions.map(() => CREATED));
  await importRows(manyRows(3), gateway.options());
  async function* changed(): AsyncGenerator<Row> {
    yield { line: 1, text: '{"job_id":"new"}' };
    yield { line: 2, text: '{"job_id":"3"}' };
  }
  await importRows(changed(), gateway.options());
  const [before, after] = gateway.bodies.map((body) => body.idempotency_keys);
  expect(new Set(before).size).toBe(3);
  expect(before).not.toContain(after?.[0]);
  expect(after?.[1]).toBe(before?.[2]);
});

test("a line that is refused for a passing reason is sent again, and only that", async () => {
  let tries = 0;
  const gateway = new ScriptedGateway(({ subscriptions }) => {
    tries += 1;
    return subscriptions.map((_, index) =>
      tries < 3 && index > 0 ? refusal("too_many_requests") : CREATED,
    );
  });
  const counts = await importRows(manyRows(4), gateway.options());
  expect(counts).toMatchObject({ lines: 4, subscribed: 4, refused: 0 });
  expect(gateway.bodies.map((body) => body.subscriptions.length)).toEqual([4, 3, 2]);
  expect(gateway.waits).toEqual([1_000, 1_000]);
});

test("a gateway that stores nothing ends the import after growing waits", async () => {
  const gateway = new ScriptedGateway(({ subscriptions }) =>
    subscriptions.map(() => refusal("overloaded")),
  );
  await expect(importRows(manyRows(2), gateway.options())).rejects.toMatchObject({
    exitCode: 2,
    hint: expect.stringContaining("goes on here"),
  });
  expect(gateway.waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("a limit of the project ends the import, as all later lines would reach it too", async () => {
  const gateway = new ScriptedGateway(({ subscriptions }) =>
    subscriptions.map((_, index) => (index < 500 ? CREATED : refusal("too_many_live_jobs"))),
  );
  const imported = importRows(manyRows(20_000), gateway.options());
  await expect(imported).rejects.toMatchObject({ exitCode: 1 });
  expect(gateway.refused).toHaveLength(500);
  expect(gateway.bodies.length).toBeLessThanOrEqual(3);
});

test("a batch that is refused as a whole is sent in parts until only the bad line is refused", async () => {
  const gateway = new ScriptedGateway(({ subscriptions }) => {
    if (subscriptions.some(({ job_id: job }) => job === "7")) {
      throw new RingbackError("Too deeply nested.", { status: 400, code: "malformed_json" });
    }
    return subscriptions.map(() => CREATED);
  });
  const counts = await importRows(manyRows(10), gateway.options());
  expect(counts).toMatchObject({ lines: 10, subscribed: 9, refused: 1 });
  expect(gateway.refused).toEqual([
    { line: 7, code: "invalid_line", detail: "Too deeply nested.", errors: [] },
  ]);
});
