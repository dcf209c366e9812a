import { type OperationalEvent, TOLD_EVERY_MS } from "../../core/delivery/operational-event.ts";

/** Subjects of one project of which there are events; further ones are left out. */
const SUBJECTS_MAX = 1_000;

/** News of one subject: the newest, and how often it came. */
export interface Gathered {
  readonly event: OperationalEvent;
  readonly occurrences: number;
  readonly occurredAtMs: number;
}

type Subject = Pick<OperationalEvent, "projectId" | "subject">;

/**
 * Events of this node that are not stored yet, by project and subject. Each subject is given
 * out once a minute at most, with the newest of its events for all of them. A project with many events
 * takes no space from the others.
 */
export class GatheredEvents {
  readonly #projects = new Map<string, Map<string, Gathered>>();
  /** By subject, until when by the monotonic clock it is not given out again. */
  readonly #quietUntilMs = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#projects.size === 0;
  }

  add(event: OperationalEvent, occurredAtMs: number): void {
    const subjects = this.#projects.get(event.projectId) ?? new Map<string, Gathered>();
    const known = subjects.get(event.subject);
    if (known === undefined && subjects.size >= SUBJECTS_MAX) return;
    const occurrences = 1 + (known?.event.type === event.type ? known.occurrences : 0);
    subjects.set(event.subject, { event, occurrences, occurredAtMs });
    this.#projects.set(event.projectId, subjects);
  }

  /** Gives out what may be noted down now, by the monotonic clock. */
  take(nowMs: number): Gathered[] {
    for (const [key, untilMs] of this.#quietUntilMs) {
      if (untilMs <= nowMs) this.#quietUntilMs.delete(key);
    }
    const taken: Gathered[] = [];
    for (const [projectId, subjects] of this.#projects) {
      for (const [subject, gathered] of subjects) {
        const key = keyOf(gathered.event);
        if (this.#quietUntilMs.has(key)) continue;
        subjects.delete(subject);
        this.#quietUntilMs.set(key, nowMs + TOLD_EVERY_MS);
        taken.push(gathered);
      }
      if (subjects.size === 0) this.#projects.delete(projectId);
    }
    return taken;
  }

  /** Events that could not be stored are given out again, unless newer ones replace them. */
  putBack(taken: readonly Gathered[]): void {
    for (const gathered of taken) {
      const { projectId, subject, type } = gathered.event;
      this.#quietUntilMs.delete(keyOf(gathered.event));
      const subjects = this.#projects.get(projectId) ?? new Map<string, Gathered>();
      const newer = subjects.get(subject);
      if (newer === undefined) subjects.set(subject, gathered);
      else if (newer.event.type === type) {
        const occurrences = newer.occurrences + gathered.occurrences;
        subjects.set(subject, { ...newer, occurrences });
      }
      this.#projects.set(projectId, subjects);
    }
  }
}

/** One text for a project's subject. */
export function keyOf({ projectId, subject }: Subject): string {
  return `${projectId}/${subject}`;
}
