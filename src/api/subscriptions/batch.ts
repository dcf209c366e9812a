import { z } from "@hono/zod-openapi";
import { PROBLEMS } from "../../core/error-codes.ts";
import { sliceRawJson, splitRawArray } from "../../core/json/raw-json.ts";
import { isNotBegun, isTransient, NotBegunInTimeError } from "../../store/db/errors.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { ApiServices } from "../services.ts";
import { invalidBodyParts, problemJson, problemOfParts } from "../http/problem.ts";
import type { Outcome, Problem } from "../../core/problem.ts";
import { isJsonObject } from "../request/record-of-strings.ts";
import type { Reply, RequestScope } from "../http/route.ts";
import { isIdempotencyKey } from "../http/creating-route.ts";
import { subscribe, subscribedEarlier } from "./subscribe.ts";
import type { EarlierSubscription, Subscribed } from "./subscribe.ts";
import { findIdempotencyKeys } from "../../store/subscriptions/find-idempotency-key.ts";
import { findSubscriptionsById } from "../../store/subscriptions/subscription-record.ts";
import { createdSubscriptionJson } from "./view.ts";
import { subscriptionRequestSchema } from "./schema.ts";
import {
  type SubscriptionRequest,
  validateSubscription,
  type ValidSubscription,
} from "./validate-subscription.ts";
import { problemOfError } from "../http/unexpected-error.ts";

export const BATCH_ITEMS_MAX = 1000;
const PARTS_NAMED_MAX = 20;

/** Only the outer shape: items are validated one by one, so that a bad one fails alone. */
export const batchRequestSchema = z
  .custom<readonly unknown[] | WrappedItems>()
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
      idempotency_keys: {
        type: "array",
        maxItems: BATCH_ITEMS_MAX,
        items: { type: "string", minLength: 1, maxLength: 255 },
        description:
          "One key for each subscription, in the same order, in place of the Idempotency-Key header. " +
          "An item keeps its key when it is sent again in another batch.",
      },
      dry_run: {
        type: "boolean",
        default: false,
        description:
          "Checks each item and stores none; the outcome of an item that passes is valid.",
      },
    },
  });

interface WrappedItems {
  readonly subscriptions: readonly unknown[];
  readonly idempotency_keys?: readonly string[];
  readonly dry_run?: boolean;
}

type BatchRequest = z.output<typeof batchRequestSchema>;

/** The parts that a batch and its items have in common with a single request. */
type RequestParts = Omit<SubscriptionRequest, "request" | "recognizedBy">;

/**
 * Enough for a batch of the store to fill while another is written. All items of a request at once
 * would stay in memory through the commits of those before them, and be copied by every garbage
 * collection in between.
 */
const ITEMS_AT_ONCE = 250;

/**
 * Subscribes the items, many at once, so that they share the store's batches and one name
 * resolution. Returns one result an item, in the given order; or, if all of them failed because
 * nothing could be stored, one failure for the whole.
 */
export async function subscribeBatch(
  batch: RequestParts & { readonly body: BatchRequest },
  services: ApiServices,
  scope: RequestScope,
): Promise<Reply> {
  const checkUrl = once((text) => services.checkCallbackUrl(batch.projectId, text));
  const sharing: ApiServices = { ...services, checkCallbackUrl: (_, text) => checkUrl(text) };
  const { subscriptions: items, idempotency_keys: keys, dry_run: isDryRun } = wrapped(batch.body);
  const texts = textsOf(batch.text, batch.body);
  const unavailable = new Unavailable();
  const keyOf = (index: number): string | null =>
    keys?.[index] ?? keyOfPlace(batch.idempotencyKey, index);
  const earlier =
    isDryRun === true || keyOf(0) === null
      ? NONE_EARLIER
      : await findEarlier(
          {
            projectId: batch.projectId,
            keys: items.map((_, index) => keyOf(index) ?? ""),
            nowMs: services.clock.now(),
          },
          scope,
        );
  const resultOf = async (item: unknown, index: number): Promise<string> => {
    const idempotencyKey = keyOf(index);
    const requested = {
      projectId: batch.projectId,
      item,
      text: texts[index] ?? "",
      idempotencyKey,
      trace: batch.trace,
    };
    if (isDryRun === true) {
      return checkResultJson(await checkItem(requested, sharing, scope, unavailable));
    }
    const subscribed = await subscribeItem(requested, sharing, scope, {
      unavailable,
      earlier: earlier.get(idempotencyKey ?? ""),
    });
    return resultJson(subscribed, services);
  };
  const results = await someAtOnce(items, resultOf);
  if (unavailable.items > 0) {
    const counts = { items: items.length, unavailable: unavailable.items };
    services.log.warn(
      { ...counts, err: unavailable.error },
      "items of a batch could not be stored",
    );
  }
  if (unavailable.problem !== null && unavailable.items === items.length) {
    return { ok: false, problem: unavailable.problem };
  }
  return jsonAnswer(200, `{"results":[${results.join(",")}]}`);
}

/** Works on `ITEMS_AT_ONCE` of the items at a time; the results are in their order. */
async function someAtOnce<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results = Array.from<Result>({ length: items.length });
  const left = items.entries();
  const takeItems = async (): Promise<void> => {
    for (const [index, item] of left) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: ITEMS_AT_ONCE }, takeItems));
  return results;
}

/** The items that failed through no fault of their own. */
class Unavailable {
  items = 0;
  error: unknown = null;
  /** The most serious of their problems: one that leaves open whether something was stored. */
  problem: Problem | null = null;

  add(problem: Problem, error: unknown, mayHaveActed: boolean): void {
    this.items += 1;
    if (this.problem !== null && !mayHaveActed) return;
    this.problem = problem;
    this.error = error;
  }
}

/** An item of a batch, which is still to be validated. */
type BatchItem = RequestParts & { readonly item: unknown };

const NONE_EARLIER: ReadonlyMap<string, EarlierSubscription> = new Map();

/**
 * Subscriptions that earlier requests with these keys have made, in two statements: a batch that is sent again would
 * take two for each item. A key that is not found here is found when its item is stored.
 */
async function findEarlier(
  of: { readonly projectId: string; readonly keys: readonly string[]; readonly nowMs: number },
  { database, deadline }: RequestScope,
): Promise<ReadonlyMap<string, EarlierSubscription>> {
  const find = async (): Promise<ReadonlyMap<string, EarlierSubscription>> => {
    const used = await findIdempotencyKeys(database, of);
    if (used.size === 0) return NONE_EARLIER;
    const ids = [...used.values()].map(({ subscriptionId }) => subscriptionId);
    const found = await findSubscriptionsById(database, { projectId: of.projectId, ids });
    return new Map(
      [...used].map(([key, use]) => {
        const subscription = found.get(use.subscriptionId) ?? null;
        return [key, { ...use, subscription }] as const;
      }),
    );
  };
  try {
    return await deadline.race(find());
  } catch (error) {
    if (!isTransient(error)) throw error;
    // Each item reports for itself that the database is away.
    return NONE_EARLIER;
  }
}

function subscribeItem(
  input: BatchItem,
  services: ApiServices,
  scope: RequestScope,
  {
    unavailable,
    earlier,
  }: { readonly unavailable: Unavailable; readonly earlier: EarlierSubscription | undefined },
): Promise<Outcome<Subscribed>> {
  return withItem(input, services, { scope, unavailable }, (requested) =>
    earlier === undefined
      ? subscribe(requested, services, scope)
      : subscribedEarlier(requested, earlier, services),
  );
}

/** Validates an item as {@link subscribeItem} does, and stores nothing. */
function checkItem(
  input: BatchItem,
  services: ApiServices,
  scope: RequestScope,
  unavailable: Unavailable,
): Promise<Outcome<ValidSubscription>> {
  return withItem(input, services, { scope, unavailable }, (requested) =>
    validateSubscription(requested, services),
  );
}

async function withItem<T>(
  { item, ...rest }: BatchItem,
  services: ApiServices,
  { scope, unavailable }: { readonly scope: RequestScope; readonly unavailable: Unavailable },
  work: (requested: SubscriptionRequest) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const parsed = subscriptionRequestSchema.safeParse(item);
  if (!parsed.success) {
    const parts = invalidBodyParts(parsed.error.issues);
    return { ok: false, problem: problemOfParts("validation_failed", parts) };
  }
  try {
    if (scope.deadline.hasPassed) throw new NotBegunInTimeError("the batch took too long");
    return await scope.deadline.race(work({ ...rest, request: parsed.data }));
  } catch (error) {
    // The others may have been stored: each item reports its own outcome.
    const mayHaveActed = !isNotBegun(error);
    const problem = problemOfError(error, { mayHaveActed });
    if (PROBLEMS[problem.code].status === 503) unavailable.add(problem, error, mayHaveActed);
    else services.log.error({ err: error }, "an item of a batch could not be stored");
    return { ok: false, problem };
  }
}

function resultJson(subscribed: Outcome<Subscribed>, services: ApiServices): string {
  if (!subscribed.ok) return refusalJson(subscribed.problem);
  const { isReplay } = subscribed.value;
  const replayed = isReplay ? `"idempotent_replayed":true,` : "";
  return `{"outcome":"created","status":201,${replayed}"subscription":${createdSubscriptionJson(subscribed.value, services)}}`;
}

function checkResultJson(checked: Outcome<ValidSubscription>): string {
  if (!checked.ok) return refusalJson(checked.problem);
  return `{"outcome":"valid","status":200,"warnings":${JSON.stringify(checked.value.warnings)}}`;
}

function refusalJson(problem: Problem): string {
  return `{"outcome":"refused","status":${PROBLEMS[problem.code].status},"error":${problemJson(problem, null)}}`;
}

/** A header can't contain a line break: no single request has such a key. */
function keyOfPlace(key: string | null, index: number): string | null {
  return key === null ? null : `${key}\n${index}`;
}

function wrapped(body: BatchRequest): WrappedItems {
  return "subscriptions" in body ? body : { subscriptions: body };
}

function textsOf(text: string, body: BatchRequest): readonly string[] {
  return splitRawArray(Array.isArray(body) ? text : (sliceRawJson(text, ["subscriptions"]) ?? ""));
}

interface BatchIssue {
  readonly path: string[];
  readonly message: string;
}

function batchIssues(body: unknown): BatchIssue[] {
  if (Array.isArray(body)) return countIssues(body, []);
  if (!isJsonObject(body)) {
    return [{ path: [], message: 'Must be {"subscriptions": […]}, or the array itself.' }];
  }
  const {
    subscriptions,
    idempotency_keys: keys,
    dry_run: isDryRun,
    ...others
  } = body as Partial<Record<keyof WrappedItems, unknown>>;
  const unknown = Object.keys(others)
    .slice(0, PARTS_NAMED_MAX)
    .map((key) => ({ path: [key], message: "This field is unknown; remove it." }));
  const issues = Array.isArray(subscriptions)
    ? countIssues(subscriptions, ["subscriptions"])
    : [{ path: ["subscriptions"], message: "Must be an array of subscriptions." }];
  const isFlag = isDryRun === undefined || typeof isDryRun === "boolean";
  return [
    ...unknown,
    ...issues,
    ...(keys === undefined ? [] : keyIssues(keys, subscriptions)),
    ...(isFlag ? [] : [{ path: ["dry_run"], message: "Must be true or false." }]),
  ];
}

function keyIssues(keys: unknown, subscriptions: unknown): BatchIssue[] {
  const at = "idempotency_keys";
  if (!Array.isArray(keys)) return [{ path: [at], message: "Must be an array of keys." }];
  if (Array.isArray(subscriptions) && keys.length !== subscriptions.length) {
    const message = `Must have one key for each subscription; this has ${keys.length} for ${subscriptions.length}.`;
    return [{ path: [at], message }];
  }
  return keys
    .flatMap((key, index) => (isIdempotencyKey(key) ? [] : [index]))
    .slice(0, PARTS_NAMED_MAX)
    .map((index) => ({
      path: [at, String(index)],
      message: "Must be 1 to 255 printable ASCII characters.",
    }));
}

function countIssues(items: readonly unknown[], path: string[]): BatchIssue[] {
  if (items.length >= 1 && items.length <= BATCH_ITEMS_MAX) return [];
  return [{ path, message: `Must have 1 to ${BATCH_ITEMS_MAX} items; this has ${items.length}.` }];
}

/** Remembers the answer to each question, even one still pending, and repeats it. */
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
