import { REQUESTS_PER_SECOND_MIN } from "../core/limits/poll-ceilings.ts";
import { retryScheduleMs } from "../core/delivery/retry-schedule.ts";
import { type SignatureScheme, signaturesOfMask } from "../core/signing.ts";
import type { LaneLimits } from "../lanes/lane-options.ts";
import type { ProjectSettings } from "../store/schema/projects.ts";
import type { OwedDelivery } from "../store/writes/record-events.ts";

/** How a project's callbacks are delivered, where a subscription does not say otherwise. */
export interface DeliverySettings {
  /** The waits after the first, second, … failed attempt. */
  readonly retryScheduleMs: readonly number[];
  readonly signatures: readonly SignatureScheme[];
  /** The limits of its lane to each origin. */
  readonly limits: LaneLimits;
}

/** The delivery settings of every project, kept in memory. */
export class ProjectDeliverySettings {
  /** Used for projects that were just created, and where a project sets nothing. */
  readonly #gateway: DeliverySettings;
  readonly #projects = new Map<string, DeliverySettings>();
  readonly #operationsUrls = new Map<string, string>();

  constructor(gateway: DeliverySettings) {
    this.#gateway = gateway;
  }

  of(projectId: string): DeliverySettings {
    return this.#projects.get(projectId) ?? this.#gateway;
  }

  /** Where the project wants its operational events, or null. */
  operationsUrlOf(projectId: string): string | null {
    return this.#operationsUrls.get(projectId) ?? null;
  }

  configure(projectId: string, settings: ProjectSettings): void {
    this.#projects.set(projectId, deliverySettings(settings, this.#gateway));
    const { operations_url: url } = settings;
    if (url === undefined) this.#operationsUrls.delete(projectId);
    else this.#operationsUrls.set(projectId, url);
  }
}

/** The project's settings, within the gateway's limits. */
export function deliverySettings(
  project: ProjectSettings,
  gateway: DeliverySettings,
): DeliverySettings {
  const { retry_schedule_s: waitsS, signatures } = project;
  const { limits } = gateway;
  return {
    retryScheduleMs: waitsS === undefined ? gateway.retryScheduleMs : retryScheduleMs(waitsS),
    signatures: signatures ?? gateway.signatures,
    limits: callbackLimits(
      Math.min(limits.concurrency, project.callback_concurrency ?? Infinity),
      least(limits.requestsPerSecond, project.callback_requests_per_second ?? null),
    ),
  };
}

/** A tenth of a second's worth may go out at once: timers are no finer than that under load. */
export function callbackLimits(concurrency: number, requestsPerSecond: number | null): LaneLimits {
  const perSecond =
    requestsPerSecond === null ? null : Math.max(REQUESTS_PER_SECOND_MIN, requestsPerSecond);
  return { concurrency, requestsPerSecond: perSecond, burst: Math.ceil((perSecond ?? 1) / 10) };
}

export function scheduleOfDelivery(
  { retrySchedule }: Pick<OwedDelivery, "retrySchedule">,
  settings: DeliverySettings,
): readonly number[] {
  if (retrySchedule === null) return settings.retryScheduleMs;
  return retryScheduleMs(JSON.parse(retrySchedule) as number[]);
}

export function signaturesOfDelivery(
  { signatures }: OwedDelivery,
  settings: DeliverySettings,
): readonly SignatureScheme[] {
  return signatures === null ? settings.signatures : signaturesOfMask(signatures);
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
