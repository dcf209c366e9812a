import type { SharedResource } from "./shared-resources.ts";

/**
 * Decides who goes next when more want to than may: groups take turns, and members take turns within
 * their group. So a group of many gets no more turns than a group of one.
 */
export class Turns<Member> {
  readonly resource: SharedResource;
  /** In the order of their turns, both the groups and their members. */
  readonly #groups = new Map<string, Set<Member>>();

  /** @param resource what the turns are for */
  constructor(resource: SharedResource) {
    this.resource = resource;
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** How many members wait in all groups. Looks at each group, so call it for display. */
  get size(): number {
    return this.#groups.values().reduce((sum, members) => sum + members.size, 0);
  }

  /** The waiting groups, in the order of their turns. */
  get groups(): Iterable<string> {
    return this.#groups.keys();
  }

  /** How many members of the group wait. */
  waiting(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  /** The member of the group whose turn is next, without removing it; or null. */
  first(group: string): Member | null {
    const [member = null] = this.#groups.get(group) ?? [];
    return member;
  }

  /** Adds a member at the end; one that waits already keeps its place. */
  add(group: string, member: Member): void {
    const members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, new Set([member]));
    else members.add(member);
  }

  /** Ends the wait of one member, if it waits. */
  remove(group: string, member: Member): void {
    const members = this.#groups.get(group);
    members?.delete(member);
    if (members?.size === 0) this.#groups.delete(group);
  }

  /** Removes and returns the member whose turn it is; null when none waits. */
  take(): Member | null {
    const [first] = this.#groups.keys();
    return first === undefined ? null : this.takeFrom(first);
  }

  /** The same within one group, which then moves to the end. */
  takeFrom(group: string): Member | null {
    const members = this.#groups.get(group);
    if (members === undefined) return null;
    const [member = null] = members;
    if (member !== null) members.delete(member);
    this.#groups.delete(group);
    if (members.size > 0) this.#groups.set(group, members);
    return member;
  }
}
