/** An address that the operator assigned to a provider in the environment. */
interface OperatorOrigin {
  readonly provider: string;
  /** As `URL.origin` spells it. */
  readonly origin: string;
}

/**
 * Addresses that requests may go to wherever they lead, because the operator named them in the
 * environment (`PULSE_BASE_URL`, the sandbox). Only requests that the operator described get there:
 * those of the operator's definitions, to an address that the definition itself or the operator's
 * connection names. A project that could send other requests there could reach anything near this
 * gateway.
 */
export class OperatorOrigins {
  readonly #projectId: string;
  readonly #origins: readonly OperatorOrigin[];

  /** @param projectId whose connections of these names are the operator's */
  constructor(projectId: string, origins: readonly OperatorOrigin[]) {
    this.#projectId = projectId;
    this.#origins = origins;
  }

  /** True when requests of this connection to this origin are the operator's. */
  trusts(
    {
      projectId,
      provider,
      baseUrl,
      isOperatorsDefinition,
    }: {
      readonly projectId: string;
      readonly provider: string;
      /** The connection's own; null for the definition's. */
      readonly baseUrl: string | null;
      /** True when the operator wrote the definition: it is built in or comes from a file. */
      readonly isOperatorsDefinition: boolean;
    },
    origin: string,
  ): boolean {
    if (!isOperatorsDefinition) return false;
    if (baseUrl === null) return this.#origins.some((one) => one.origin === origin);
    if (projectId !== this.#projectId) return false;
    return this.#origins.some((one) => one.provider === provider && one.origin === origin);
  }
}
