import { hash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import type { ProblemCode } from "../../core/error-codes.ts";
import type { Scope } from "../../core/scopes.ts";
import { createUuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  type AnswerKey,
  claimKey,
  findAnswer,
  KeyInUseError,
  storeAnswer,
  type UsedAnswerKey,
  withdrawClaim,
} from "../../store/projects/idempotent-answers.ts";
import type { ApiServices } from "../services.ts";
import type { Answer } from "./answer.ts";
import { problemOfParts, refused } from "./problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";
import {
  type BodyDescription,
  defineRoute,
  type Reply,
  type Route,
  type RouteDescription,
  type RouteRequest,
} from "./route.ts";

const IDEMPOTENCY_KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** For the documentation; {@link readIdempotencyKey} reads it. */
export const idempotencyHeaders = z.object({
  "Idempotency-Key": z
    .string()
    .min(1)
    .max(255)
    .optional()
    .openapi({
      description:
        "Makes repeating a request harmless for 24 hours: it returns what the first one created. " +
        "A different request with the same key is refused.",
    }),
});

export function isIdempotencyKey(value: unknown): value is string {
  return typeof value === "string" && IDEMPOTENCY_KEY.test(value);
}

/** The header's value, or null without one. */
export function readIdempotencyKey(headers: Headers): Outcome<string | null> {
  const key = headers.get("idempotency-key");
  if (key === null || isIdempotencyKey(key)) return { ok: true, value: key };
  const part = {
    header: "Idempotency-Key",
    detail: "Must be 1 to 255 printable ASCII characters.",
  };
  return { ok: false, problem: problemOfParts("invalid_header", [part]) };
}

/** A request that creates something, at most once for each `Idempotency-Key`. */
interface CreatingRequest<Body> extends RouteRequest<undefined, Body> {
  /**
   * Creates, and keeps the answer with what is created; or answers as the first request with the key was.
   * A refusal is not kept: what it was about may change.
   * @param within the transaction that creates; this comes first in it, so that requests with the same key
   *   wait for one another before they hold anything else
   */
  once(within: Database, create: () => Promise<Reply>): Promise<Reply>;
}

type CreatingSpec<Body> = Omit<
  RouteDescription,
  "method" | "scope" | "query" | "headers" | "body" | "problems"
> & {
  readonly scope: Scope;
  readonly body: BodyDescription<Body>;
  readonly problems?: readonly ProblemCode[];
  readonly handle: (request: CreatingRequest<Body>) => Promise<Reply>;
  /** The answer to a repeated request, where it differs from the first answer. */
  readonly repeated?: (answer: Answer, request: RouteRequest<undefined, Body>) => Promise<Reply>;
};

type CreatingServices = Pick<ApiServices, "clock" | "secretBox">;

/** A POST that creates something: a repeated one with the same `Idempotency-Key` creates nothing more. */
export function defineCreatingRoute<Body>(
  services: CreatingServices,
  spec: CreatingSpec<Body>,
): Route {
  const { handle, repeated = async (answer) => answer, problems = [], ...description } = spec;
  return defineRoute<undefined, Body>({
    ...description,
    method: "POST",
    headers: idempotencyHeaders,
    problems: ["invalid_header", "idempotency_conflict", "idempotency_key_in_use", ...problems],
    async handle(request) {
      const key = readIdempotencyKey(request.headers);
      if (!key.ok) return key;
      if (key.value === null) return handle({ ...request, once: (_, create) => create() });
      const use = new KeyUse(services, request, { operation: spec.operationId, key: key.value });
      // Before anything is checked: what the first request created may be what a limit allows.
      const earlier = await use.find(request.database);
      if (earlier !== null) return "problem" in earlier ? earlier : repeated(earlier, request);
      try {
        return await handle({
          ...request,
          once: (within, create) => use.createOnce(within, create),
        });
      } catch (error) {
        if (error instanceof KeyInUseError) return KEY_IN_USE;
        throw error;
      }
    },
  });
}

const newUuid = createUuidSource();

/** The use of one key by one request. */
class KeyUse {
  readonly #services: CreatingServices;
  readonly #key: AnswerKey;
  /** Under each key of the ring; the first is what is stored. */
  readonly #hashes: readonly [string, ...string[]];

  constructor(
    services: CreatingServices,
    request: Pick<RouteRequest<undefined, unknown>, "caller" | "body">,
    of: Pick<AnswerKey, "operation" | "key">,
  ) {
    this.#services = services;
    this.#key = { ...of, projectId: request.caller.projectId };
    const plain = hash("sha256", JSON.stringify([of.operation, request.body]), "hex");
    this.#hashes = services.secretBox.digests("idempotent request", plain);
  }

  /** The answer to the first request with the key; null when this is the first. */
  async find(database: Database): Promise<Reply | null> {
    const used = await findAnswer(database, this.#key);
    return used === null ? null : this.#replyOf(used);
  }

  async createOnce(within: Database, create: () => Promise<Reply>): Promise<Reply> {
    const id = newUuid(this.#services.clock.now(), 0);
    const [requestHash] = this.#hashes;
    if (!(await claimKey(within, { ...this.#key, id, requestHash }))) {
      const reply = await this.find(within);
      if (reply === null) throw new Error("An idempotency key was neither free nor used.");
      return reply;
    }
    const reply = await create();
    if ("problem" in reply) await withdrawClaim(within, id);
    else await storeAnswer(within, id, this.#seal(id, reply));
    return reply;
  }

  #seal(id: string, { status, headers, body }: Answer): string {
    if (typeof body === "function") throw new Error("A stream can't be repeated.");
    const kept: StoredAnswer = { status, headers, body };
    return this.#services.secretBox.seal(JSON.stringify(kept), { column: COLUMN, id });
  }

  #replyOf({ id, requestHash, answer: sealed }: UsedAnswerKey): Reply {
    if (!this.#hashes.includes(requestHash)) return USED_OTHERWISE;
    if (sealed === null)
      throw new Error("A claim of an idempotency key was committed without an answer.");
    const text = this.#services.secretBox.open(sealed, { column: COLUMN, id });
    const { status, headers, body } = JSON.parse(text) as StoredAnswer;
    return { status, headers: { ...headers, [REPLAYED]: "true" }, body };
  }
}

type StoredAnswer = Pick<Answer, "status" | "headers"> & { readonly body: string | null };

const COLUMN = "idempotent_answers.answer";
const REPLAYED = "idempotent-replayed";

/** Whether an answer is that of an earlier request with the same key. */
export function isReplayed({ headers }: Answer): boolean {
  return headers[REPLAYED] === "true";
}

const USED_OTHERWISE: Refusal = refused(
  "idempotency_conflict",
  "This Idempotency-Key was used for another request; use a new key for a new request.",
);

const KEY_IN_USE: Refusal = refused(
  "idempotency_key_in_use",
  "A request with this Idempotency-Key has not been answered yet; repeat this one a little later.",
  { headers: { "retry-after": "1" } },
);
