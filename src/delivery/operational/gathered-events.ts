import {
  type OperationalEvent,
  PUBLISHED_EVERY_MS,
} from "../../core/delivery/operational-event.ts";

/** Subjects of one project that wait or were given out within a minute; events of more are not published. */
const SUBJECTS_MAX = 1_000;

/** News of one subject: the newest, and how often it came. */
export interface Gathered {
  readonly event: OperationalEvent;
  readonly occurrences: number;
  readonly occurredAtMs: number;
}

type Subject = Pick<OperationalEvent, "projectId" | "subject">;

/** The events of one project. */
interface OfProject {
  /** By subject. */
  readonly gathered: Map<string, Gathered>;
  /** By subject, until when by the monotonic clock it is not given out again; the earliest first. */
  readonly quietUntilMs: Map<string, number>;
}

/**
 * Events of this node that are not stored yet, by project and subject. Each subject is given
 * out once a minute at most, with the newest of its events for all of them. A project with many events
 * takes no space from the others, and makes a bounded number of rows a minute.
 */
export class GatheredEvents {
  readonly #projects = new Map<string, OfProject>();
  /** Events that wait, of all projects. */
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  add(event: OperationalEvent, occurredAtMs: number): void {
    const { gathered, quietUntilMs } = this.#of(event.projectId);
    const known = gathered.get(event.subject);
    if (known === undefined) {
      const isMore = !quietUntilMs.has(event.subject);
      const subjects = gathered.size + quietUntilMs.size;
      // A subject in both maps is counted twice, which only makes the limit a little stricter.
      if (isMore && subjects >= SUBJECTS_MAX) return;
      this.#size += 1;
    }
    const occurrences = 1 + (known?.event.type === event.type ? known.occurrences : 0);
    gathered.set(event.subject, { event, occurrences, occurredAtMs });
  }

  /** Gives out what may be noted down now, by the monotonic clock. */
  take(nowMs: number): Gathered[] {
    const taken: Gathered[] = [];
    for (const [projectId, { gathered, quietUntilMs }] of this.#projects) {
      for (const [subject, untilMs] of quietUntilMs) {
        if (untilMs > nowMs) break;
        quietUntilMs.delete(subject);
      }
      for (const [subject, one] of gathered) {
        if (quietUntilMs.has(subject)) continue;
        gathered.delete(subject);
        quietUntilMs.set(subject, nowMs + PUBLISHED_EVERY_MS);
        taken.push(one);
      }
      if (gathered.size === 0 && quietUntilMs.size === 0) this.#projects.delete(projectId);
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Events that could not be stored are given out again, unless newer ones replace them. */
  putBack(taken: readonly Gathered[]): void {
    for (const one of taken) {
      const { projectId, subject, type } = one.event;
      const { gathered, quietUntilMs } = this.#of(projectId);
      quietUntilMs.delete(subject);
      const newer = gathered.get(subject);
      if (newer === undefined) {
        gathered.set(subject, one);
        this.#size += 1;
      } else if (newer.event.type === type) {
        const occurrences = newer.occurrences + one.occurrences;
        gathered.set(subject, { ...newer, occurrences });
      }
    }
  }

  #of(projectId: string): OfProject {
    const known = this.#projects.get(projectId);
    if (known !== undefined) return known;
    const made: OfProject = { gathered: new Map(), quietUntilMs: new Map() };
    this.#projects.set(projectId, made);
    return made;
  }
}

/** One text for a project's subject. */
export function keyOf({ projectId, subject }: Subject): string {
  return `${projectId}/${subject}`;
}
