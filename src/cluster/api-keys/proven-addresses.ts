/** Addresses that are remembered, of all projects; some 150 bytes each. */
const ADDRESSES_MAX = 20_000;
/** Bounds one project, so that it can't push out the addresses of others. */
const ADDRESSES_PER_PROJECT_MAX = 200;

/** Addresses from which a valid key was used, so that a flood from others can't shut them out. */
export class ProvenAddresses {
  /** The project of each, in the order in which they were noted. */
  readonly #projects = new Map<string, string>();
  readonly #byProject = new Map<string, Set<string>>();

  has(address: string): boolean {
    return this.#projects.has(address);
  }

  /** Notes that a key of the project was used from the address. Cheap for one that is known. */
  note(address: string, projectId: string): void {
    if (this.#projects.has(address)) return;
    const ofProject = this.#byProject.get(projectId) ?? new Set<string>();
    const [oldestOfProject] = ofProject;
    const [oldest] = this.#projects.keys();
    if (oldestOfProject !== undefined && ofProject.size >= ADDRESSES_PER_PROJECT_MAX)
      this.#forget(oldestOfProject);
    else if (oldest !== undefined && this.#projects.size >= ADDRESSES_MAX) this.#forget(oldest);
    this.#projects.set(address, projectId);
    this.#byProject.set(projectId, ofProject.add(address));
  }

  #forget(address: string): void {
    const projectId = this.#projects.get(address);
    if (projectId === undefined) return;
    this.#projects.delete(address);
    const ofProject = this.#byProject.get(projectId);
    ofProject?.delete(address);
    if (ofProject?.size === 0) this.#byProject.delete(projectId);
  }
}
