import { MinuteCounts } from "../../src/runtime/minute-counts.ts";
import { WaitingRequests } from "../../src/api/request/waiting-requests.ts";
import type { RequestSample } from "../../src/runtime/metrics.ts";
import type { ConnectionLoad } from "../../src/polling/upstream/upstreams.ts";
import type { LiveJobView } from "../../src/polling/watch/list.ts";
import type { AcceptOutcome } from "../../src/intake/acceptor.ts";
import { randomBytes } from "node:crypto";
import type { Hono } from "hono";
import { expect } from "vitest";
import { checkedApp } from "../support/checked-app.ts";
import { problemSchema } from "../../src/api/http/response-schemas.ts";
import { RequestAdmission } from "../../src/api/request/request-admission.ts";
import { RefusedKeys } from "../../src/api/request/refused-keys.ts";
import { ApiKeyDirectory } from "../../src/cluster/api-keys/api-key-directory.ts";
import { readinessOf } from "../../src/core/readiness.ts";
import { PROBLEMS } from "../../src/core/error-codes.ts";
import type { ApiServices, AuthenticationFailure } from "../../src/api/services.ts";
import type { Inspection } from "../../src/cluster/questions/inspector.ts";
import { StatusCounter } from "../../src/cluster/status-counter.ts";
import type { HeldState } from "../../src/core/waiting/delivery-wait.ts";
import { LANE_FREE, type LaneStatus } from "../../src/core/waiting/lane-status.ts";
import type { ReportedLane } from "../../src/store/lane-states.ts";
import { endingEventType, type EndingStatus } from "../../src/core/delivery/event.ts";
import { signedMessage } from "../../src/delivery/attempt/signed-message.ts";
import { ConsumerClaims } from "../../src/delivery/waits/consumer-claims.ts";
import { EndingWaits } from "../../src/delivery/waits/ending-waits.ts";
import { EventWaits } from "../../src/delivery/waits/event-waits.ts";
import { InboxFeed } from "../../src/delivery/waits/inbox-feed.ts";
import { InboxDirectory } from "../../src/intake/inbox-directory.ts";
import { parsePublicId, shardOfUuid, uuidV7 } from "../../src/core/ids/ids.ts";
import type { LiveTrialOutcome } from "../../src/providers/trial/trial.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { ResultLinks } from "../../src/runtime/secrets/result-links.ts";
import { createSecretBox } from "../../src/runtime/secrets/secret-box.ts";
import { newApiKey } from "../../src/runtime/secrets/api-key.ts";
import { createApiKey } from "../../src/store/projects/api-keys.ts";
import type { Scope } from "../../src/core/scopes.ts";
import { type AttemptRow, recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { IN_ROW_BYTES_MAX, storeResult } from "../../src/store/writes/result-parts.ts";
import {
  loadConnections,
  type StoredConnection,
} from "../../src/store/connections/load-connections.ts";
import { loadProjects, type ProjectRecord } from "../../src/store/projects/manage-projects.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openTestDatabase } from "../support/database.ts";
import { checkUrl, messagePorts, READY, TESTED } from "./fixture-answers.ts";
import { type Logged, notingLog } from "./noting-log.ts";
import { acceptAlone } from "./accept-alone.ts";
import { TestLimits } from "../support/project-limits.ts";
import { providersOn } from "../support/providers.ts";
import { attemptRow } from "../support/rows.ts";
import { testRuntime } from "../support/runtime.ts";
import type { AcceptRequest } from "../../src/store/writes/accept-subscriptions.ts";

/** JSON as a test reads it. */
export type Json = ReturnType<typeof JSON.parse>;

const KEY = randomBytes(32);
export const PUBLIC_URL = "https://ringback.example.com";
const INLINE_RESULT_BYTES_MAX = 100;
export const LINK_TTL_MS = 60_000;
export const CALLBACK_URL = "https://app.example.com/hooks/ringback";

export const EMPTY_LIST = { object: "list", data: [], has_more: false, next_cursor: null };

/** Reads a problem, holding it against its documentation and the list of codes. */
export async function problemOf(response: Response): Promise<Json> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = problemSchema.parse(await response.json());
  const { code } = problem;
  const { status, title } = PROBLEMS[code];
  expect(problem).toMatchObject({
    type: `/docs/errors/${code}`,
    instance: `urn:ringback:request:${response.headers.get("x-request-id")}`,
    status,
    title,
  });
  expect(response.status).toBe(PROBLEMS[code].status);
  expect(problem.detail).not.toBe("");
  return problem;
}

/** The API on a real Postgres; everything beyond them stands still and takes notes. */
export class ApiFixture {
  readonly clock = new FakeClock();
  readonly calls: unknown[][] = [];
  readonly samples: RequestSample[] = [];
  readonly authenticationFailures: AuthenticationFailure[] = [];
  readonly logged: Logged[] = [];
  readonly liveJobs = new Map<string, LiveJobView>();
  liveJobCount = 0;
  readonly limits = new TestLimits({ live_jobs: 1000 });
  /** Deliveries in memory. */
  readonly held = new Map<string, HeldState>();
  /** Status of lanes, by connection or origin. */
  readonly laneStatuses = new Map<string, LaneStatus>();
  /** Callback origins as the nodes report them. */
  reports: ReportedLane[] = [];
  /** The response of any job's owner. */
  inspection: Inspection | null = null;
  /** Counts of the node that are not stored yet. */
  readonly minutes = new MinuteCounts();
  readonly loads = new Map<string, ConnectionLoad>();
  /** Over all nodes. */
  readonly loadsByConnection = new Map<string, { nodeId: string; load: ConnectionLoad }[]>();
  missingNodes: string[] = [];
  readonly projectId = this.uuid();
  readonly secretBox = createSecretBox([KEY]);
  /** The outcome of trying a callback. */
  tested = TESTED;
  /** Answers instead of the store when set. */
  acceptOutcome: AcceptOutcome | Error | null = null;
  liveTrialOutcome: LiveTrialOutcome = {
    kind: "not_asked",
    problem: "The upstream is not reachable.",
  };
  readiness = readinessOf(READY);
  readonly database: Awaited<ReturnType<typeof openTestDatabase>>["database"];
  readonly databaseUrl: string;
  /** Not started: it looks keys up. */
  readonly apiKeys: ApiKeyDirectory;
  /** Belongs to a node that owns no shard; tests run its rounds. */
  readonly endingWaits: EndingWaits;
  readonly eventWaits: EventWaits;
  readonly inboxFeed: InboxFeed;
  readonly consumerClaims: ConsumerClaims;
  readonly inboxes: InboxDirectory;
  readonly services: ApiServices;
  readonly app: Hono;
  readonly #drop: () => Promise<void>;
  #connections: StoredConnection[] = [];
  readonly #projects = new Map<string, ProjectRecord>();
  #key = "";

  private constructor(opened: Awaited<ReturnType<typeof openTestDatabase>>) {
    this.database = opened.database;
    this.databaseUrl = opened.url;
    this.#drop = opened.drop;
    this.limits.measuredBy("live_jobs", () => this.liveJobCount);
    this.database.callsPerGroupMax = (group) => this.limits.allowed(group, "database_calls");
    this.limits.measuredBy("database_calls", (projectId) => this.database.callsOf(projectId));
    this.apiKeys = this.keyDirectory();
    const { database, clock } = this;
    const shards = { has: () => false };
    this.endingWaits = new EndingWaits(testRuntime({ clock }), database, shards);
    this.eventWaits = new EventWaits(testRuntime({ clock }), database);
    const runtime = testRuntime({ clock });
    this.inboxes = new InboxDirectory(runtime, this.limits);
    this.consumerClaims = new ConsumerClaims(runtime, database, this.uuid());
    this.inboxFeed = new InboxFeed(runtime, {
      database,
      shards,
      inlineResultBytesMax: INLINE_RESULT_BYTES_MAX,
      claims: this.consumerClaims,
    });
    this.services = this.#services();
    this.app = checkedApp(this.services);
  }

  /** With an admin key for `request`, and a connection `default` at pulse. */
  static async open(options?: Parameters<typeof openTestDatabase>[0]): Promise<ApiFixture> {
    const fixture = new ApiFixture(await openTestDatabase(options));
    await fixture.addProject(fixture.projectId, "default");
    fixture.#key = await fixture.addKey(["admin"]);
    await fixture.addConnection(fixture.projectId);
    return fixture;
  }

  close(): Promise<void> {
    return this.#drop();
  }

  /** As another node would have it. */
  keyDirectory(): ApiKeyDirectory {
    const log = createLog({ level: "silent", format: "json" });
    return new ApiKeyDirectory(testRuntime({ clock: this.clock, log }), this.database);
  }

  /** Sends a request with the admin key, or with the one given; an object goes as JSON. */
  async request(
    method: string,
    path: string,
    options: { body?: unknown; key?: string | null; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const { body, key = this.#key } = options;
    const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    return this.app.request(path, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(text !== undefined && { body: text }),
    });
  }

  /** Subscribes and returns the subscription; fails unless it is accepted. */
  async subscribe(wish: object = {}): Promise<Json> {
    const body = { job_id: `job-${this.uuid()}`, callback_url: CALLBACK_URL, ...wish };
    const response = await this.request("POST", "/v1/subscriptions", { body });
    if (response.status !== 201) throw new Error(await response.text());
    return (await response.json()) as Json;
  }

  async addKey(scopes: Scope[], options: { projectId?: string; expiresAtMs?: number } = {}) {
    const { projectId = this.projectId, expiresAtMs = null } = options;
    const key = newApiKey();
    const made = { id: this.uuid(), projectId, name: "test", key, scopes };
    await createApiKey(this.database, { ...made, nowMs: this.clock.now(), expiresAtMs });
    return key;
  }

  async addProject(id: string, name: string): Promise<void> {
    await this.sql(`insert into projects (id, name, created_at) values ($1, $2, now())`, [
      id,
      name,
    ]);
    await this.#loadProjects();
  }

  storedConnections(): Promise<StoredConnection[]> {
    return loadConnections(this.database, 0);
  }

  async addConnection(projectId: string, name = "default"): Promise<string> {
    const id = this.uuid();
    await this.sql(
      `insert into connections (id, project_id, provider, name, credential, created_at, updated_at)
       values ($1, $2, 'pulse', $3, $4, now(), now())`,
      [
        id,
        projectId,
        name,
        this.secretBox.seal("pulse-key", { column: "connections.credential", id }),
      ],
    );
    this.#connections = await loadConnections(this.database, 0);
    return id;
  }

  /** Ends the job of a subscription as the engine does; returns event and delivery UUIDs. */
  async end(
    subscriptionId: string,
    ending: { status?: EndingStatus; result?: string; error?: string; resultFetch?: string } = {},
  ): Promise<{ eventId: string; deliveryId: string | null }> {
    const { status = "completed", result = null, error = null, resultFetch = null } = ending;
    const id = parsePublicId("subscription", subscriptionId) ?? "";
    const shardId = shardOfUuid(id);
    const [row] = await this.sql(
      `select job_row_id from subscriptions where shard_id = $1 and id = $2`,
      [shardId, id],
    );
    const eventId = this.uuid(shardId);
    const resultBytes = Buffer.byteLength(result ?? "");
    const isInParts = resultBytes > IN_ROW_BYTES_MAX;
    if (isInParts)
      await storeResult(this.database, { shardId, eventId, json: Buffer.from(result ?? "") });
    const [recorded] = await recordEvents(this.database, [
      {
        projectId: this.projectId,
        shardId,
        jobRowId: row.job_row_id,
        eventId,
        type: endingEventType(status),
        status,
        occurredAtMs: this.clock.now(),
        upstreamCreatedAt: null,
        upstreamUpdatedAt: null,
        error,
        result: isInParts ? null : result,
        resultBytes,
        resultFetch,
        progress: null,
        pollCount: 3,
        lastPolledAtMs: this.clock.now(),
      },
    ]);
    const owed = recorded?.owed.find((delivery) => delivery.subscriptionId === id);
    return { eventId, deliveryId: owed?.id ?? null };
  }

  /** Records one attempt of a delivery as the engine does. */
  async attempt(deliveryId: string, attempt: Partial<AttemptRow>): Promise<void> {
    const shardId = shardOfUuid(deliveryId);
    const [row] = await this.sql(
      `select subscription_id, attempt_count from deliveries where shard_id = $1 and id = $2`,
      [shardId, deliveryId],
    );
    const delivery = { shardId, id: deliveryId, subscriptionId: row.subscription_id };
    await recordAttempts(this.database, [
      attemptRow(delivery, {
        attemptCount: row.attempt_count,
        startedAtMs: this.clock.now(),
        durationMs: 12,
        httpStatus: 204,
        ...attempt,
      }),
    ]);
  }

  async sql(text: string, parameters: (string | number | null)[] = []): Promise<Json[]> {
    return this.database.run("test", (sql) => sql.unsafe(text, parameters));
  }

  uuid(shard = 0): string {
    this.clock.advance(1);
    return uuidV7(this.clock.now(), shard, randomBytes(8));
  }

  #services(): ApiServices {
    const note =
      (name: string) =>
      async (...call: unknown[]) => {
        this.calls.push([name, ...call]);
      };
    return {
      database: this.database,
      acceptor: { accept: (request) => this.#accept(request) },
      watches: { view: (_shardId, jobRowId) => this.liveJobs.get(jobRowId) ?? null },
      upstreams: { loadOf: (id) => this.loads.get(id) ?? null },
      outbox: { stateOf: (id) => this.held.get(id) ?? null },
      lanes: {
        statusesOf: async (_, lanes) =>
          lanes.map(({ name }) => this.laneStatuses.get(name) ?? LANE_FREE),
        origins: async (_, projectId, origins) =>
          this.reports.filter(
            (lane) => lane.projectId === projectId && origins.includes(lane.name),
          ),
        tryOrigin: note("tryOrigin"),
      },
      inspector: { inspect: async () => this.inspection },
      connectionLoads: {
        of: async () => ({
          atMs: this.clock.now(),
          missingNodes: this.missingNodes,
          byConnection: this.loadsByConnection,
        }),
      },
      statusCounter: new StatusCounter(testRuntime({ clock: this.clock }), this.database),
      commands: {
        pollNow: note("pollNow"),
        extended: note("extended"),
        unsubscribed: note("unsubscribed"),
        redelivered: note("redelivered"),
      },
      delivery: {
        test: async (test) => {
          this.calls.push(["testCallback", test]);
          return this.tested;
        },
        message: (loaded) =>
          signedMessage(testRuntime({ clock: this.clock }), messagePorts(this.secretBox), loaded),
      },
      endingWaits: this.endingWaits,
      eventWaits: this.eventWaits,
      inboxes: this.inboxes,
      inboxFeed: this.inboxFeed,
      consumerClaims: this.consumerClaims,
      redeliveries: { shardForNew: () => 7, begin: note("begin"), perSecondDefault: 100 },
      signingKeys: { forget: (id) => void this.calls.push(["signingSecretsChanged", id]) },
      apiKeys: this.apiKeys,
      // Time stands still here, so refusals are not held back.
      admission: new RequestAdmission(this.limits, this.clock, { refusalHeldMs: 0 }),
      refusedKeys: new RefusedKeys({ clock: this.clock, log: notingLog(this.logged) }),
      isTrustedProxy: (address) => address.startsWith("10."),
      connections: {
        find: (...name) => this.#findConnection(...name),
        findFresh: async (...name) => this.#findConnection(...name),
        refresh: async () => {
          this.calls.push(["connectionsRefreshed"]);
          this.#connections = await loadConnections(this.database, 0);
        },
        factsOf: (id) => {
          const one = this.#connections.find((connection) => connection.id === id);
          return one === undefined || one.isDeleted
            ? { state: "unusable", probeAtMs: null }
            : { state: one.state, probeAtMs: one.probeAtMs };
        },
        nameOf: (id) => this.#connections.find((one) => one.id === id)?.name ?? "unknown",
      },
      providers: providersOn(this.database, this.clock),
      poller: {
        tryLive: async (...trial) => {
          this.calls.push(["tryLive", ...trial]);
          return this.liveTrialOutcome;
        },
      },
      secretBox: this.secretBox,
      checkCallbackUrl: async (_, text) => checkUrl(text, this.calls),
      checkUpstreamUrl: (_, text) => checkUrl(text, this.calls),
      readiness: () => this.readiness,
      metrics: {
        scrape: async (withTenants) => ({
          contentType: "text/plain; version=0.0.4",
          body: withTenants ? "up 1\nof_tenants 1\n" : "up 1\n",
        }),
        recordRequest: (sample) => void this.samples.push(sample),
        authenticationFailures: {
          add: (failure) => void this.authenticationFailures.push(failure),
        },
      },
      metricsToken: null,
      minutes: this.minutes,
      nodeId: this.consumerClaims.nodeId,
      version: "1.2.3",
      hasSandbox: true,
      hasConsole: true,
      publicUrl: () => PUBLIC_URL,
      resultLinks: new ResultLinks({
        keys: [KEY],
        ttlMs: LINK_TTL_MS,
        publicUrl: () => PUBLIC_URL,
      }),
      inlineResultBytesMax: INLINE_RESULT_BYTES_MAX,
      waiting: new WaitingRequests(this.limits, this.clock, 100),
      requestBodiesBytesMax: 2 * 2 ** 20 * 16,
      limits: this.limits,
      projects: {
        get: (id) => this.#projects.get(id) ?? null,
        refresh: async () => {
          this.calls.push(["projectChanged"]);
          await this.#loadProjects();
        },
      },
      clock: this.clock,
      log: notingLog(this.logged),
    };
  }

  async #loadProjects(): Promise<void> {
    for (const one of await loadProjects(this.database, 0)) this.#projects.set(one.id, one);
  }

  #findConnection(projectId: string, provider: string, name: string): StoredConnection | null {
    const isIt = (one: StoredConnection): boolean =>
      one.projectId === projectId && one.provider === provider && one.name === name;
    return this.#connections.find((one) => !one.isDeleted && isIt(one)) ?? null;
  }

  #accept(request: AcceptRequest): Promise<AcceptOutcome> {
    if (this.acceptOutcome instanceof Error) return Promise.reject(this.acceptOutcome);
    if (this.acceptOutcome !== null) return Promise.resolve(this.acceptOutcome);
    this.clock.advance(1);
    const nowMs = this.clock.now();
    const uuid = (shard: number): string => this.uuid(shard);
    return acceptAlone({ database: this.database, uuid, nowMs }, request);
  }
}
