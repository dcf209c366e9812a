import { createHash } from "node:crypto";
import {
  type CallOptions,
  type ReadAnswer,
  type RequestSpec,
  RingbackError,
  type SubscriptionBatch,
} from "../../client/ringback.ts";
import { CliError, EXIT } from "../frame/cli.ts";
import { type Defaults, type Row, withDefaults } from "./rows.ts";

/** Why a line of the file was not accepted. */
export interface RefusedLine {
  readonly line: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly { readonly pointer?: string | undefined; readonly detail: string }[];
}

export interface ImportCounts {
  readonly lines: number;
  /** Subscriptions that were made, or would be. */
  readonly subscribed: number;
  /** Lines whose subscription an earlier run has made. */
  readonly alreadySubscribed: number;
  readonly refused: number;
}

export interface ImportOptions {
  /** Sends a batch; a `Ringback`, but in tests. */
  readonly ringback: {
    readonly read: (
      spec: RequestSpec,
      options: CallOptions,
    ) => Promise<ReadAnswer<SubscriptionBatch>>;
  };
  readonly defaults: Defaults;
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Called for each refused line, in the order of the file. */
  readonly onRefused: (refused: RefusedLine) => void;
  /** Called after each batch. */
  readonly onProgress: (counts: ImportCounts) => void;
}

type BatchResult = SubscriptionBatch["results"][number];
type Refusal = Extract<BatchResult, { outcome: "refused" }>["error"];

/** A line with its outcome. */
interface LineResult {
  readonly line: number;
  readonly result: BatchResult | string;
}

/** A line with the text that is sent. */
interface Item {
  readonly line: number;
  readonly text: string;
}

const BATCH_LINES_MAX = 1000;
/** A batch of more is refused at 8 MiB; one line more may be as large as a line can be. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** While one batch is written, the next ones are read and checked. */
const BATCHES_AT_ONCE = 3;

const TRIES_MAX = 8;
const FIRST_WAIT_MS = 1_000;
const WAIT_MS_MAX = 30_000;

/** Reasons that pass by themselves. */
const PASSING: readonly string[] = [
  "overloaded",
  "too_many_requests",
  "database_unavailable",
  "not_ready",
];
/** Limits that all later lines would reach, too. */
const LIMITS: readonly string[] = ["too_many_live_jobs", "project_limit_exceeded"];

/**
 * Subscribes to the jobs of a file, some batches at once, which bounds what is held of it. Each line is
 * sent with an idempotency key made from its text: as long as the gateway remembers keys (24 hours), a
 * line is subscribed once, however often and in whatever order it is imported.
 * @throws {CliError} when the gateway stores nothing for a while, or the project has reached a limit
 * @throws {RingbackError} when it can't be asked
 */
export async function importRows(
  rows: AsyncIterable<Row>,
  options: ImportOptions,
): Promise<ImportCounts> {
  const { onRefused, onProgress } = options;
  let counts: ImportCounts = { lines: 0, subscribed: 0, alreadySubscribed: 0, refused: 0 };
  const sending: Promise<readonly LineResult[]>[] = [];
  const settleFirst = async (): Promise<void> => {
    const results = (await sending.shift()) ?? [];
    for (const { line, result } of results) {
      const refused = refusalOf(line, result);
      if (refused !== null) onRefused(refused);
      counts = counted(counts, result);
    }
    onProgress(counts);
    const limit = results.map(({ result }) => limitIn(result)).find((found) => found !== null);
    if (limit) throw limitReached(limit);
  };
  for await (const batch of batchesOf(rows)) {
    const sent = sendBatch(batch, options);
    // It is awaited in its turn.
    sent.catch(() => undefined);
    sending.push(sent);
    if (sending.length >= BATCHES_AT_ONCE) await settleFirst();
  }
  while (sending.length > 0) await settleFirst();
  return counts;
}

async function* batchesOf(rows: AsyncIterable<Row>): AsyncGenerator<readonly Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for await (const row of rows) {
    batch.push(row);
    bytes += "text" in row ? Buffer.byteLength(row.text) : 0;
    if (batch.length < BATCH_LINES_MAX && bytes < BATCH_BYTES_MAX) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function sendBatch(
  batch: readonly Row[],
  options: ImportOptions,
): Promise<readonly LineResult[]> {
  const rows = batch.map((row) => withDefaults(row, options.defaults));
  const items = rows.filter((row) => "text" in row);
  const wrong = rows.flatMap((row) =>
    "problem" in row ? [{ line: row.line, result: row.problem }] : [],
  );
  const results = items.length === 0 ? [] : await sendPatiently(items, options);
  return [...results, ...wrong].sort((one, other) => one.line - other.line);
}

/** Sends again what was refused for a passing reason. */
async function sendPatiently(
  items: readonly Item[],
  options: ImportOptions,
): Promise<readonly LineResult[]> {
  const done: LineResult[] = [];
  let left = items;
  for (let tries = 1; ; tries += 1) {
    const results = await sendItems(left, options);
    const waiting = new Set(results.filter(isPassing).map(({ line }) => line));
    done.push(...results.filter(({ line }) => !waiting.has(line)));
    if (waiting.size === 0) return done;
    if (waiting.size < left.length) tries = 1;
    if (tries >= TRIES_MAX) throw tooBusy(results.find(isPassing));
    left = left.filter(({ line }) => waiting.has(line));
    await options.sleep(Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * 2 ** (tries - 1)), options.signal);
  }
}

/** A batch that is refused as a whole is sent in halves, so that a bad line fails alone. */
async function sendItems(
  items: readonly Item[],
  options: ImportOptions,
): Promise<readonly LineResult[]> {
  try {
    const { results } = await send(items, options);
    return items.map(({ line }, index) => ({ line, result: results[index] ?? NO_RESULT }));
  } catch (error) {
    const [only] = items;
    if (!(error instanceof RingbackError) || !isAboutContent(error) || only === undefined) {
      throw error;
    }
    if (items.length === 1) return [{ line: only.line, result: error.message }];
    const half = Math.ceil(items.length / 2);
    const first = await sendItems(items.slice(0, half), options);
    return [...first, ...(await sendItems(items.slice(half), options))];
  }
}

const NO_RESULT = "The gateway's response has no result for this line.";

async function send(
  items: readonly Item[],
  { ringback, isDryRun, signal }: ImportOptions,
): Promise<SubscriptionBatch> {
  const keys = JSON.stringify(items.map(({ text }) => keyOf(text)));
  const subscriptions = items.map(({ text }) => text).join(",");
  const bodyText = `{"subscriptions":[${subscriptions}],"idempotency_keys":${keys},"dry_run":${isDryRun}}`;
  const answer = await ringback.read(
    { method: "POST", path: "/v1/subscriptions/batch", bodyText, isRepeatable: true },
    { signal },
  );
  return answer.value;
}

function keyOf(text: string): string {
  return `import-${createHash("sha256").update(text).digest("base64url")}`;
}

function isAboutContent({ status }: RingbackError): boolean {
  return status === 400 || status === 413 || status === 422;
}

function refusalIn(result: LineResult["result"]): Refusal | null {
  return typeof result === "object" && result.outcome === "refused" ? result.error : null;
}

function isPassing({ result }: LineResult): boolean {
  return PASSING.includes(refusalIn(result)?.code ?? "");
}

function limitIn(result: LineResult["result"]): Refusal | null {
  const refusal = refusalIn(result);
  return refusal !== null && LIMITS.includes(refusal.code) ? refusal : null;
}

function refusalOf(line: number, result: LineResult["result"]): RefusedLine | null {
  if (typeof result === "string") {
    return { line, code: "invalid_line", detail: result, errors: [] };
  }
  if (result.outcome !== "refused") return null;
  const { code, detail, errors = [] } = result.error;
  return { line, code, detail, errors };
}

function counted(counts: ImportCounts, result: LineResult["result"]): ImportCounts {
  const lines = counts.lines + 1;
  if (typeof result === "string" || result.outcome === "refused") {
    return { ...counts, lines, refused: counts.refused + 1 };
  }
  return result.outcome === "created" && result.idempotent_replayed === true
    ? { ...counts, lines, alreadySubscribed: counts.alreadySubscribed + 1 }
    : { ...counts, lines, subscribed: counts.subscribed + 1 };
}

function limitReached({ detail }: Refusal): CliError {
  return new CliError(detail, { hint: "Run the same command again afterwards; it goes on here." });
}

function tooBusy(found: LineResult | undefined): CliError {
  const detail = (found && refusalIn(found.result)?.detail) ?? "";
  return new CliError(`The gateway has stored nothing for ${TRIES_MAX} tries: ${detail}`, {
    exitCode: EXIT.unreachable,
    hint: "Run the same command again later; it goes on here.",
  });
}
