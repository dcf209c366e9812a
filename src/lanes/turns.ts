/**
 * Who goes next when more want to than may: the groups take turns, and within a group its members.
 * So a group of many gets no more turns than a group of one.
 */
export class Turns<Member> {
  /** In the order of their turns, the groups as well as their members. */
  readonly #groups = new Map<string, Set<Member>>();

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** Queues up at the end; one who waits already keeps their place. */
  add(group: string, member: Member): void {
    const members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, new Set([member]));
    else members.add(member);
  }

  /** The one whose turn it is, who waits no more; or null when nobody waits. */
  take(): Member | null {
    const [first] = this.#groups;
    if (first === undefined) return null;
    const [group, members] = first;
    const [member = null] = members;
    if (member !== null) members.delete(member);
    this.#groups.delete(group);
    if (members.size > 0) this.#groups.set(group, members);
    return member;
  }
}
