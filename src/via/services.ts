import type { IncomingMessage } from "node:http";
import type { HeaderValues } from "../core/job/retry-after.ts";
import type { Outcome, Problem } from "../core/problem.ts";
import type { ProjectLimits } from "../core/limits/project-limits.ts";
import type { SubmissionTarget } from "../intake/submission.ts";
import type {
  RelayedExchange,
  RelayedRequest,
  RelayReader,
} from "../outbound/exchange/relayed-exchange.ts";
import type { PassedBuffers } from "../runtime/process/heap.ts";
import type { ProviderVersion } from "../providers/compile/provider.ts";
import type { UpstreamAccess } from "../polling/upstream/access.ts";
import type { Upstream } from "../polling/upstream/upstream.ts";
import type { WatchedStatuses } from "../cluster/questions/watched-statuses.ts";
import type { LiveJobOfName } from "../store/jobs/find-job.ts";
import type { StoredConnection } from "../store/connections/load-connections.ts";
import type { SubmittedJob } from "../providers/submission/recognize.ts";
import type { ViaAddress } from "./address.ts";
import type { PresentedKey } from "./key.ts";
import type { ViaOptions } from "./options.ts";

/** A request that may be passed on. */
export interface Passage extends SubmissionTarget {
  readonly address: ViaAddress;
  readonly presented: PresentedKey;
  readonly options: ViaOptions;
  readonly upstream: Upstream;
  readonly access: UpstreamAccess;
}

/** The parts of the API that are used here: authenticating keys, subscribing and writing problems. */
export interface ViaApi {
  /** Whom the key speaks for, if it may send requests through the gateway. */
  authenticate(key: string, request: IncomingMessage): Outcome<string> | Promise<Outcome<string>>;
  /** Whether a subscription with these options could be made, whatever the job. */
  checkOptions(target: SubmissionTarget, options: ViaOptions): Promise<Outcome<null>>;
  /** Stores a subscription to a job. Resolves with its public id once it is committed. */
  subscribe(
    target: SubmissionTarget,
    options: ViaOptions,
    job: SubmittedJob,
    /** `requestId` is another for each request, however often storing it is tried. */
    request: { readonly headers: HeaderValues; readonly requestId: string },
  ): Promise<Outcome<string>>;
  /** Takes one of the requests that the project may have waiting; to be left when it is had. */
  readonly enterWait: (projectId: string, signal: AbortSignal) => Promise<Outcome<null>>;
  readonly leaveWait: (projectId: string) => void;
  /** The problem that an unexpected error is answered with. */
  problemOf(error: unknown): Problem;
  render(
    problem: Problem,
    requestId: string,
  ): {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}

export interface ViaServices {
  readonly api: ViaApi;
  readonly limits: ProjectLimits;
  readonly settings: ViaSettings;
  /** The gateway's own address where it is configured. */
  readonly publicUrl: string | null;
  readonly connections: {
    get(id: string): StoredConnection | null;
    find(projectId: string, provider: string, name: string): StoredConnection | null;
    findFresh(projectId: string, provider: string, name: string): Promise<StoredConnection | null>;
  };
  readonly providers: { find(projectId: string, name: string): ProviderVersion | null };
  upstreamOf(connectionId: string): Upstream;
  readonly statuses: ObservedJobs;
  relay(request: RelayedRequest, reader: RelayReader): RelayedExchange | null;
  /** Counts each part of a body, in both directions. */
  readonly buffers: Pick<PassedBuffers, "passed">;
}

/** The jobs that are polled, for answering from their polls. */
export interface ObservedJobs {
  readonly latest: Pick<WatchedStatuses, "latest" | "first" | "moved">;
  /** The live jobs of a connection that have this name. */
  findLiveJobs(connectionId: string, jobId: string): Promise<readonly LiveJobOfName[]>;
}

export interface ViaSettings {
  readonly connectTimeoutMs: number;
  /** Without a byte in either direction. */
  readonly idleTimeoutMs: number;
  /** For the large ones of all projects together. */
  readonly heldAnswersBytesMax: number;
}
