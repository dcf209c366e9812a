import type { ProjectLimits } from "../../core/limits/project-limits.ts";

/** How much the outbox may hold, of all projects. */
const COUNT_MAX = 200_000;
const BYTES_MAX = 256 * 1024 * 1024;
/** For reserves, a project may hold so many times what it leaves free. */
const RESERVE_FACTOR = 3;

interface Held {
  count: number;
  bytes: number;
}

/**
 * - `plenty`: the project may go on holding what it likes;
 * - `reserve`: only what each of its lanes is sure of;
 * - `none`: nothing more.
 */
type SpaceLeft = "plenty" | "reserve" | "none";

/**
 * The space of the outbox, shared by projects: each may hold as much as it leaves free, so half if it
 * is alone, and beyond that, for the reserves of its lanes, three quarters. So however many origins a
 * project has, and however slow they are, there is space for a project that comes.
 */
export class OutboxSpace {
  #limits: Pick<ProjectLimits, "allowed"> | null = null;
  readonly #byProject = new Map<string, Held>();
  #count = 0;
  #bytes = 0;

  /** Whether no project would be let in. */
  get isFull(): boolean {
    return this.#count >= COUNT_MAX || this.#bytes >= BYTES_MAX;
  }

  leftFor(projectId: string): SpaceLeft {
    if (this.isFull) return "none";
    const held = this.#byProject.get(projectId);
    if (held === undefined) return "plenty";
    if (this.#isAtLimit(projectId, held)) return "none";
    const countFree = COUNT_MAX - this.#count;
    const bytesFree = BYTES_MAX - this.#bytes;
    if (held.count < countFree && held.bytes < bytesFree) return "plenty";
    const isWithin =
      held.count < RESERVE_FACTOR * countFree && held.bytes < RESERVE_FACTOR * bytesFree;
    return isWithin ? "reserve" : "none";
  }

  /** Holds each project to its limits too, and tells what it uses. */
  keepTo(limits: Pick<ProjectLimits, "allowed" | "measuredBy">): void {
    this.#limits = limits;
    limits.measuredBy("outbox_deliveries", (id) => this.#byProject.get(id)?.count ?? 0);
    limits.measuredBy("outbox_bytes", (id) => this.#byProject.get(id)?.bytes ?? 0);
  }

  take(projectId: string, bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
    const held = this.#byProject.get(projectId);
    if (held === undefined) {
      this.#byProject.set(projectId, { count: 1, bytes });
      return;
    }
    held.count += 1;
    held.bytes += bytes;
  }

  giveBack(projectId: string, bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    const held = this.#byProject.get(projectId);
    if (held === undefined) return;
    held.count -= 1;
    held.bytes -= bytes;
    if (held.count === 0) this.#byProject.delete(projectId);
  }

  #isAtLimit(projectId: string, { count, bytes }: Held): boolean {
    const limits = this.#limits;
    if (limits === null) return false;
    return (
      count >= limits.allowed(projectId, "outbox_deliveries") ||
      bytes >= limits.allowed(projectId, "outbox_bytes")
    );
  }
}
