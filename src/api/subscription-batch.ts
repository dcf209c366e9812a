import { z } from "@hono/zod-openapi";
import { PROBLEMS } from "../core/error-codes.ts";
import { splitRawArray } from "../core/raw-json-items.ts";
import { sliceRawJson } from "../core/raw-json.ts";
import { invalidBodyParts } from "./invalid-parts.ts";
import type { ApiPorts } from "./ports.ts";
import { problemJson, problemOfParts } from "./problem.ts";
import type { Outcome } from "./problem.ts";
import { isObject } from "./record-of-strings.ts";
import { subscribe } from "./subscribe.ts";
import type { Subscribed } from "./subscribe.ts";
import { subscriptionJson } from "./subscription-json.ts";
import { subscriptionRequestSchema } from "./subscription-schema.ts";
import { problemOfError } from "./unexpected-error.ts";

export const BATCH_ITEMS_MAX = 1000;
const UNKNOWN_KEYS_NAMED_MAX = 20;

/** Only the outer shape: items are checked one by one, so that a bad one fails alone. */
export const batchRequestSchema = z
  .custom<readonly unknown[] | { readonly subscriptions: readonly unknown[] }>()
  .superRefine((body, context) => {
    for (const issue of batchIssues(body)) context.addIssue({ code: "custom", ...issue });
  })
  .openapi("SubscriptionBatchRequest", {
    type: "object",
    required: ["subscriptions"],
    properties: {
      subscriptions: {
        type: "array",
        minItems: 1,
        maxItems: BATCH_ITEMS_MAX,
        items: { $ref: "#/components/schemas/SubscriptionRequest" },
      },
    },
  });

export type BatchRequest = z.output<typeof batchRequestSchema>;

export interface Batch {
  readonly projectId: string;
  readonly body: BatchRequest;
  /** The JSON text of the body. */
  readonly text: string;
  readonly idempotencyKey: string | null;
  readonly trace: string | null;
}

/**
 * Enough for a batch of the store to fill while another is written. All items of a request at once
 * would stand in memory through the commits of those before them, and be copied by every collection
 * of garbage meanwhile.
 */
const ITEMS_AT_ONCE = 250;

/**
 * Subscribes the items, many at once, so that they share the store's batches and one name
 * resolution. Returns the JSON of one result an item, in the order given.
 */
export async function subscribeBatch(batch: Batch, ports: ApiPorts): Promise<string[]> {
  const sharing = { ...ports, checkCallbackUrl: once((text) => ports.checkCallbackUrl(text)) };
  const items = itemsOf(batch.body);
  const texts = textsOf(batch.text, batch.body);
  const resultOf = async (item: unknown, index: number): Promise<string> => {
    const { idempotencyKey } = batch;
    const subscribed = await subscribeItem(
      {
        projectId: batch.projectId,
        item,
        text: texts[index] ?? "",
        // A header can't hold a line break: no single request has such a key.
        idempotencyKey: idempotencyKey === null ? null : `${idempotencyKey}\n${index}`,
        trace: batch.trace,
      },
      sharing,
    );
    return resultJson(subscribed, ports);
  };
  const results = Array.from<string>({ length: items.length });
  let next = 0;
  const takeItems = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await resultOf(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: ITEMS_AT_ONCE }, takeItems));
  return results;
}

async function subscribeItem(
  input: {
    readonly projectId: string;
    readonly item: unknown;
    readonly text: string;
    readonly idempotencyKey: string | null;
    readonly trace: string | null;
  },
  ports: ApiPorts,
): Promise<Outcome<Subscribed>> {
  const { item, ...rest } = input;
  const parsed = subscriptionRequestSchema.safeParse(item);
  if (!parsed.success) {
    const parts = invalidBodyParts(parsed.error.issues);
    return { ok: false, problem: problemOfParts("validation_failed", parts) };
  }
  try {
    return await subscribe({ ...rest, request: parsed.data }, ports);
  } catch (error) {
    // The others may well have been stored: each item tells its own end.
    ports.log.error({ err: error }, "an item of a batch could not be stored");
    return { ok: false, problem: problemOfError(error) };
  }
}

function resultJson(subscribed: Outcome<Subscribed>, ports: ApiPorts): string {
  if (!subscribed.ok) {
    const { problem } = subscribed;
    return `{"status":${PROBLEMS[problem.code].status},"error":${problemJson(problem, null)}}`;
  }
  const { subscription, isReplay } = subscribed.value;
  const replayed = isReplay ? `"idempotent_replayed":true,` : "";
  return `{"status":201,${replayed}"subscription":${subscriptionJson(subscription, ports)}}`;
}

function itemsOf(body: BatchRequest): readonly unknown[] {
  return Array.isArray(body) ? body : (body as { subscriptions: readonly unknown[] }).subscriptions;
}

function textsOf(text: string, body: BatchRequest): readonly string[] {
  return splitRawArray(Array.isArray(body) ? text : (sliceRawJson(text, ["subscriptions"]) ?? ""));
}

function batchIssues(body: unknown): { readonly path: string[]; readonly message: string }[] {
  if (Array.isArray(body)) return countIssues(body, []);
  if (!isObject(body)) {
    return [{ path: [], message: 'Must be {"subscriptions": […]}, or the array itself.' }];
  }
  const { subscriptions, ...others } = body as { readonly subscriptions?: unknown };
  const unknown = Object.keys(others)
    .slice(0, UNKNOWN_KEYS_NAMED_MAX)
    .map((key) => ({ path: [key], message: "This field is unknown; remove it." }));
  const issues = Array.isArray(subscriptions)
    ? countIssues(subscriptions, ["subscriptions"])
    : [{ path: ["subscriptions"], message: "Must be an array of subscriptions." }];
  return [...unknown, ...issues];
}

function countIssues(items: readonly unknown[], path: string[]) {
  if (items.length >= 1 && items.length <= BATCH_ITEMS_MAX) return [];
  return [
    { path, message: `Must hold 1 to ${BATCH_ITEMS_MAX} items; this holds ${items.length}.` },
  ];
}

/** Answers a question asked again with the answer given, or still to be given, before. */
function once<T>(ask: (text: string) => Promise<T>): (text: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (text) => {
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = ask(text);
    answers.set(text, answer);
    return answer;
  };
}
