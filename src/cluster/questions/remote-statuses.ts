import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import type { CommandRouter } from "../../intake/command-router.ts";
import {
  type AskedJob,
  FIRST_ANSWER_MS,
  type JobStatuses,
} from "../../polling/watch/job-statuses.ts";
import type { WatchList } from "../../polling/watch/list.ts";
import type { ObservedAnswer } from "../../polling/watch/observed-answers.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  answerInspections,
  findInspections,
  type InspectionAnswer,
  type InspectionRequest,
} from "../../store/inspections.ts";
import { ANSWERED_WITHIN_MS, OwnerQuestions } from "./owner-questions.ts";
import { type Clock, fromMonotonic, toMonotonic } from "../../runtime/clock.ts";

/** However many ask here about a job, its owner is asked once in this time. */
const FRESH_MS = 1_000;
const ENDED_MS = 60_000;
/** For so long an owner that has no answer is not asked again. */
const UNAVAILABLE_MS = 2_000;
/** Copies of answers, each of 128 KiB at most. */
const COPIES_MAX = 256;
const QUESTIONS_MAX = 200;
/** How long an owner holds a question about a job that does not move. */
const HELD_MS = FIRST_ANSWER_MS;
/** For all nodes that ask; what comes on top is answered at once. */
const HELD_MAX = 2_000;
/** Differs from every state, so that any answer is news. */
const NO_STATE = "";

/** `silent` when the owner did not answer in time; null when it says that it has no answer. */
type Reply = ObservedAnswer | "awaited" | "silent" | null;

interface RemoteStatusesOptions {
  readonly database: Database;
  readonly commands: Pick<CommandRouter, "send">;
  readonly watches: Pick<WatchList, "projectOf">;
  /** The jobs of this node. */
  readonly local: JobStatuses;
}

/**
 * The latest answers about jobs that other nodes poll, and answers to those who ask this one. A
 * question is answered at once, or held until the job has left the state that the asker knows.
 */
export class RemoteStatuses {
  readonly #runtime: Runtime;
  readonly #options: RemoteStatusesOptions;
  readonly #questions: OwnerQuestions;
  /** An answer is null when the owner has none. */
  readonly #copies = new SharedCache<{
    readonly answer: ObservedAnswer | null;
    readonly untilMs: number;
  }>(COPIES_MAX);
  /** Questions that are open, by job and known state. */
  readonly #asked = new Map<string, Promise<Reply>>();
  readonly #stopping = new AbortController();
  #held = 0;
  readonly #unwritten: InspectionAnswer[] = [];
  #isWriting = false;

  constructor(runtime: Runtime, options: RemoteStatusesOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#questions = new OwnerQuestions(runtime, {
      ...options,
      command: "observe",
      resource: "status_questions",
      waitingMax: QUESTIONS_MAX,
    });
  }

  /** `awaited` when the owner has to be asked; null when it has no answer. */
  latest({ id }: AskedJob): ObservedAnswer | "awaited" | null {
    const copy = this.#copies.get(id);
    const isGood = copy !== undefined && copy.untilMs > this.#runtime.clock.monotonic();
    return isGood ? copy.answer : "awaited";
  }

  /** The owner's answer; null when it has none, or does not say so in time. */
  async first(job: AskedJob, signal: AbortSignal): Promise<ObservedAnswer | null> {
    const reply = await this.#ask(job, null, ANSWERED_WITHIN_MS);
    if (reply !== "awaited") return answerOf(reply);
    if (signal.aborted) return null;
    return answerOf(await this.#ask(job, NO_STATE, HELD_MS + ANSWERED_WITHIN_MS));
  }

  /**
   * The first answer that tells another state than `from`, or the latest when the time is over; `lost`
   * when the owner is silent or does not know the job.
   */
  async moved(
    job: AskedJob,
    from: ObservedAnswer,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ObservedAnswer | "lost"> {
    if (waitMs <= 0) return from;
    const over = Promise.withResolvers<"over">();
    const timer = this.#runtime.clock.setTimer(waitMs, () => over.resolve("over"));
    const leave = (): void => over.resolve("over");
    signal.addEventListener("abort", leave, { once: true });
    try {
      let answer = from;
      while (!answer.isEnding && answer.state === from.state && !signal.aborted) {
        const news = this.#ask(job, from.state, HELD_MS + ANSWERED_WITHIN_MS);
        const reply = await Promise.race([news, over.promise]);
        if (reply === "over")
          return signal.aborted ? answer : await this.#newest(job, answer, signal);
        if (reply === null) return answer;
        if (reply === "silent" || reply === "awaited") return "lost";
        answer = reply;
      }
      return answer;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", leave);
    }
  }

  /** Answers the questions of other nodes. */
  async answer(keys: readonly { readonly id: string }[]): Promise<void> {
    const ids = keys.map(({ id }) => id);
    for (const question of await findInspections(this.#options.database, ids)) {
      this.#consider(question);
    }
  }

  /** Holds no questions any longer: those who ask turn to the next owner. */
  beginStopping(): void {
    this.#stopping.abort();
  }

  async #newest(job: AskedJob, answer: ObservedAnswer, signal: AbortSignal) {
    const copy = this.latest(job);
    return (copy === "awaited" ? await this.first(job, signal) : copy) ?? answer;
  }

  /** One question for all who want to know the same. */
  #ask(job: AskedJob, knownState: string | null, withinMs: number) {
    const key = JSON.stringify([job.id, knownState]);
    const open = this.#asked.get(key);
    if (open !== undefined) return open;
    const question = this.#askOwner(job, knownState, withinMs).finally(() => {
      this.#asked.delete(key);
    });
    this.#asked.set(key, question);
    return question;
  }

  async #askOwner(
    { projectId, shardId, id }: AskedJob,
    knownState: string | null,
    ms: number,
  ): Promise<Reply> {
    const { clock } = this.#runtime;
    const question = { kind: "status" as const, shardId, subjectId: id, knownState };
    const json = await this.#questions.ask(projectId, question, ms);
    const known = json === null ? null : decodeStatus(clock, json);
    if (known === "awaited") return known;
    const goodForMs = known === null ? UNAVAILABLE_MS : known.isEnding ? ENDED_MS : FRESH_MS;
    const untilMs = clock.monotonic() + goodForMs;
    this.#copies.set(projectId, id, { answer: known, untilMs });
    return json === null ? "silent" : known;
  }

  /** Answers a question now, or once there is something to say. */
  #consider(question: InspectionRequest): void {
    const { local, watches } = this.#options;
    const { id, shardId, subjectId, knownState } = question;
    const projectId = watches.projectOf(shardId, subjectId);
    const job = { projectId: projectId ?? "", shardId, id: subjectId };
    const latest = local.latest(job);
    // Who waits already asks again: the shard may have come or gone just now.
    const isAbsent = projectId === null && latest === null && knownState !== null;
    const known = isAbsent ? "awaited" : latest;
    const isNews =
      known === null ||
      knownState === null ||
      (known !== "awaited" && (known.isEnding || known.state !== knownState));
    if (isNews || isAbsent || this.#held >= HELD_MAX || this.#stopping.signal.aborted) {
      return this.#tell(id, known);
    }
    this.#held += 1;
    void this.#untilNews(job, known, knownState).then((answer) => {
      this.#held -= 1;
      this.#tell(id, answer);
    });
  }

  async #untilNews(
    job: AskedJob,
    known: ObservedAnswer | "awaited",
    knownState: string,
  ): Promise<ObservedAnswer | "awaited" | null> {
    const { local } = this.#options;
    const { signal } = this.#stopping;
    const first = known === "awaited" ? await local.first(job, signal) : known;
    if (first === null || first.state !== knownState) return first;
    const moved = await local.moved(job, first, HELD_MS, signal);
    return moved === "lost" ? "awaited" : moved;
  }

  #tell(id: string, known: ObservedAnswer | "awaited" | null): void {
    this.#unwritten.push({ id, answer: encodeStatus(this.#runtime.clock, known) });
    if (!this.#isWriting) void this.#write();
  }

  /** Never rejects: who gets no answer asks the upstream. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#unwritten.length > 0) {
      const answers = this.#unwritten.splice(0, ANSWERS_PER_STATEMENT_MAX);
      try {
        await answerInspections(this.#options.database, answers);
      } catch (error) {
        this.#runtime.log.debug({ err: error }, "questions of other nodes could not be answered");
      }
    }
    this.#isWriting = false;
  }
}

function answerOf(reply: Reply): ObservedAnswer | null {
  return reply === "awaited" || reply === "silent" ? null : reply;
}

/** Answers may have 170 KiB each. */
const ANSWERS_PER_STATEMENT_MAX = 50;

/** The latest answer about a job, as its owner gives it to another node. */
type SharedStatus =
  | { readonly kind: "awaited" }
  | { readonly kind: "unavailable" }
  | ({
      readonly kind: "answer";
      /** As base64, since it may be anything. */
      readonly body: string;
      /** Epoch milliseconds, by the clock that all nodes share. */
      readonly atMs: number;
    } & Pick<ObservedAnswer, "status" | "headers" | "isEnding" | "state">);

/** As JSON. */
function encodeStatus(clock: Clock, known: ObservedAnswer | "awaited" | null): string {
  if (known === null) return JSON.stringify({ kind: "unavailable" } satisfies SharedStatus);
  if (known === "awaited") return JSON.stringify({ kind: "awaited" } satisfies SharedStatus);
  const { status, headers, body, atMs, isEnding, state } = known;
  return JSON.stringify({
    kind: "answer",
    status,
    headers,
    body: body.toString("base64"),
    atMs: fromMonotonic(clock, atMs),
    isEnding,
    state,
  } satisfies SharedStatus);
}

/** @param json written by {@link encodeStatus} */
function decodeStatus(clock: Clock, json: string): ObservedAnswer | "awaited" | null {
  const reply = JSON.parse(json) as SharedStatus;
  switch (reply.kind) {
    case "unavailable":
      return null;
    case "awaited":
      return "awaited";
    case "answer": {
      const { status, headers, isEnding, state } = reply;
      const body = Buffer.from(reply.body, "base64");
      return { status, headers, body, atMs: toMonotonic(clock, reply.atMs), isEnding, state };
    }
  }
}
