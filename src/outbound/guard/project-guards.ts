import { publicId } from "../../core/ids/ids.ts";
import { type AddressGuard, createAddressGuard, type EgressAllow } from "./address-guard.ts";

/** The operator's exemptions for all projects, and those for named projects only. */
export interface ProjectEgressAllow {
  readonly everybody: EgressAllow;
  readonly projects: readonly {
    /** A project's name, or its id as the API shows it. */
    readonly project: string;
    readonly allow: EgressAllow;
  }[];
}

/** The guard of each project. */
export class ProjectGuards {
  readonly #allow: ProjectEgressAllow;
  readonly #nameOf: (projectId: string) => string | null;
  readonly #shared: AddressGuard;
  /** By project. Empty when the operator names none. */
  readonly #own = new Map<string, { readonly name: string | null; readonly guard: AddressGuard }>();

  /** @param nameOf returns null for a project that this node does not know yet */
  constructor(allow: ProjectEgressAllow, nameOf: (projectId: string) => string | null) {
    this.#allow = allow;
    this.#nameOf = nameOf;
    this.#shared = createAddressGuard(allow.everybody);
  }

  of(projectId: string): AddressGuard {
    if (this.#allow.projects.length === 0) return this.#shared;
    const name = this.#nameOf(projectId);
    const known = this.#own.get(projectId);
    // A project may be renamed.
    if (known !== undefined && known.name === name) return known.guard;
    const guard = this.#build([name, publicId("project", projectId)]);
    this.#own.set(projectId, { name, guard });
    return guard;
  }

  #build(names: readonly (string | null)[]): AddressGuard {
    const own = this.#allow.projects.filter(({ project }) => names.includes(project));
    if (own.length === 0) return this.#shared;
    const all = [this.#allow.everybody, ...own.map(({ allow }) => allow)];
    return createAddressGuard({
      ...this.#allow.everybody,
      cidrs: all.flatMap(({ cidrs }) => cidrs),
      hostPorts: all.flatMap(({ hostPorts }) => hostPorts),
    });
  }
}
