import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { MinuteCounts } from "./minute-counts.ts";

/**
 * A counter that costs one addition: prom-client's own looks its labels up on every increment,
 * which would be noticeable in a poll. The values are passed on at each scrape.
 */
export class CountBy {
  readonly #counts: Map<string, number>;

  /**
   * @param fromStart labels that are shown before they are counted: Prometheus sees no increase in a
   *   series that begins with its first count
   */
  constructor(fromStart: readonly string[] = []) {
    this.#counts = new Map(fromStart.map((label) => [label, 0]));
  }

  add(label: string): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + 1);
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}

/** A client may send any other word as its method. */
const METHODS_NAMED: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
]);

const SECONDS_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** A receiver that was down for a day still gets a separate bucket. */
const TO_CALLBACK_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86_400,
];

const ATTEMPT_STATUSES = ["delivered", "pending", "exhausted", "gone"];

/** One delivery attempt, for the metrics. */
interface AttemptSample {
  readonly status: string;
  readonly errorCode: string | null;
  /** How long after its due time the attempt began. */
  readonly sinceDueMs: number;
  /** Time since the event; null for a delivery that was redelivered by hand. */
  readonly sinceEventMs: number | null;
}

/** One answered request. */
export interface RequestSample {
  /** The route's pattern, never the path itself, since paths are unbounded. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
}

/** The values of several gauges under the same label; gauges that are left out are not shown. */
export interface GaugeRow<Name extends string> {
  readonly of: string;
  readonly values: Readonly<Partial<Record<Name, number>>>;
}

/** Labels that name a tenant or something that belongs to one. */
const TENANT_LABELS: ReadonlySet<string> = new Set(["connection", "project"]);

/** Everything that /metrics shows. */
export class Metrics {
  readonly #registry = new Registry();
  /** Metrics with names of tenants, which callers without the metrics token don't see. */
  readonly #tenants = new Registry();
  readonly polls: CountBy;
  /** By the code of the failed request, or by the reason why a response was unusable. */
  readonly pollFailures: CountBy;
  /** By the name of the limit. */
  readonly projectLimitRefusals: CountBy;
  /** By the reason why a request has no caller. */
  readonly authenticationFailures: CountBy;
  /** By the code of the failure. */
  readonly unsentCallbacks: CountBy;
  /** Submissions through the gateway that asked for a callback, by outcome. */
  readonly submissions: CountBy;
  /** The counts of each project's last day; not a scraped metric. */
  readonly minutes = new MinuteCounts();
  #isProcessMeasured = false;
  readonly #attempts: CountBy;
  readonly #attemptFailures: CountBy;
  readonly #attemptLagSeconds: Histogram;
  readonly #endingToCallbackSeconds: Histogram;
  readonly #requests: Histogram;

  constructor() {
    const registers = [this.#registry];
    this.polls = this.#countBy(
      "ringback_polls_total",
      "Polls by what they observed.",
      "observation",
    );
    this.pollFailures = this.#countBy(
      "ringback_poll_failures_total",
      "Polls that failed or whose response was unusable, by error code.",
      "error_code",
    );
    this.projectLimitRefusals = this.#countBy(
      "ringback_project_limit_refusals_total",
      "How often a project was refused something because it came to a limit of its own.",
      "limit",
    );
    this.authenticationFailures = this.#countBy(
      "ringback_authentication_failures_total",
      "API requests without a valid API key, by the reason for their refusal.",
      "reason",
    );
    this.#attemptFailures = this.#countBy(
      "ringback_delivery_attempt_failures_total",
      "Delivery attempts that did not deliver, by error code as attempts show it.",
      "error_code",
    );
    this.unsentCallbacks = this.#countBy(
      "ringback_callbacks_unsent_total",
      "Callbacks that could not be sent for reasons of this side's; they count as no attempt.",
      "error_code",
    );
    this.submissions = this.#countBy(
      "ringback_submissions_total",
      "Jobs submitted through /via that were to be watched: subscribed, or why not.",
      "outcome",
    );
    this.#attempts = this.#countBy(
      "ringback_delivery_attempts_total",
      "Delivery attempts by what became of the delivery.",
      "status",
      ATTEMPT_STATUSES,
    );
    this.#attemptLagSeconds = new Histogram({
      name: "ringback_delivery_attempt_lag_seconds",
      help: "How long after it was due a delivery attempt began.",
      buckets: SECONDS_BUCKETS,
      registers,
    });
    this.#endingToCallbackSeconds = new Histogram({
      name: "ringback_ending_to_callback_seconds",
      help: "From an event to the receiver's 2xx, retries included; redeliveries are not counted.",
      buckets: TO_CALLBACK_BUCKETS,
      registers,
    });
    this.#requests = new Histogram({
      name: "ringback_http_request_duration_seconds",
      help: "API requests by route, method and status.",
      labelNames: ["route", "method", "status"],
      buckets: SECONDS_BUCKETS,
      registers,
    });
  }

  /** A gauge read when scraped. */
  gauge(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    });
    this.#registry.registerMetric(gauge);
  }

  /** A gauge of the value 1 whose labels carry the information. */
  info(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    const gauge = new Gauge({ name, help, labelNames: Object.keys(labels), registers: [] });
    gauge.set(labels, 1);
    this.#registry.registerMetric(gauge);
  }

  /**
   * Gauges whose values take a while to read, all read at once when scraped. When reading fails
   * they are not shown, so that an old value is not mistaken for a new one.
   */
  measuredGauges<Name extends string>(
    helps: Readonly<Record<Name, string>>,
    read: () => Promise<Readonly<Record<Name, number>>>,
  ): void {
    const names = Object.keys(helps) as Name[];
    let reading: Promise<Readonly<Record<Name, number>> | null> = Promise.resolve(null);
    for (const name of names) {
      const gauge = new Gauge({
        name,
        help: helps[name],
        // With a label its value can be removed again; without one it would be shown as 0.
        labelNames: ["scope"],
        registers: [],
        async collect() {
          // The registry asks in the order of registration.
          if (name === names[0]) reading = read().catch(() => null);
          const values = await reading;
          this.reset();
          if (values !== null) this.set({ scope: "all_nodes" }, values[name]);
        },
      });
      this.#registry.registerMetric(gauge);
    }
  }

  /** Gauges by label, all read at once when scraped; rows that are gone are no longer shown. */
  gauges<Name extends string>(
    label: string,
    helps: Readonly<Record<Name, string>>,
    read: () => readonly GaugeRow<Name>[],
  ): void {
    const names = Object.keys(helps) as Name[];
    let rows: readonly GaugeRow<Name>[] = [];
    for (const name of names) {
      const gauge = new Gauge({
        name,
        help: helps[name],
        labelNames: [label],
        registers: [],
        collect() {
          // The registry asks in the order of registration.
          if (name === names[0]) rows = read();
          this.reset();
          for (const { of, values } of rows) {
            const value = values[name];
            if (value !== undefined) this.set({ [label]: of }, value);
          }
        },
      });
      this.#registryOf([label]).registerMetric(gauge);
    }
  }

  /** A gauge with several labels, read when scraped; rows that are gone are no longer shown. */
  labelledGauge<Label extends string>(
    {
      name,
      help,
      labels,
    }: { readonly name: string; readonly help: string; readonly labels: readonly Label[] },
    read: () => Iterable<{ readonly of: Readonly<Record<Label, string>>; readonly value: number }>,
  ): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [],
      collect() {
        this.reset();
        for (const { of, value } of read()) this.set(of, value);
      },
    });
    this.#registryOf(labels).registerMetric(gauge);
  }

  recordAttempt(attempt: AttemptSample): void {
    this.#attempts.add(attempt.status);
    this.#attemptLagSeconds.observe(Math.max(0, attempt.sinceDueMs) / 1000);
    if (attempt.errorCode !== null) this.#attemptFailures.add(attempt.errorCode);
    if (attempt.status === "delivered" && attempt.sinceEventMs !== null) {
      this.#endingToCallbackSeconds.observe(Math.max(0, attempt.sinceEventMs) / 1000);
    }
  }

  recordRequest(sample: RequestSample): void {
    const { route, method, status, durationMs } = sample;
    this.#requests.observe({ route, method, status }, durationMs / 1000);
  }

  /** One request that was forwarded or refused. */
  recordVia(sample: {
    readonly method: string;
    readonly status: number;
    readonly durationMs: number;
    readonly submission: string | null;
  }): void {
    const { method, status, durationMs, submission } = sample;
    const known = METHODS_NAMED.has(method) ? method : "other";
    this.#requests.observe({ route: "/via", method: known, status }, durationMs / 1000);
    if (submission !== null) this.submissions.add(submission);
  }

  /** @param withTenants also the metrics that name connections and projects */
  async scrape(
    withTenants: boolean,
  ): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#measureProcess();
    const registries = withTenants ? [this.#registry, this.#tenants] : [this.#registry];
    const texts = await Promise.all(registries.map((registry) => registry.metrics()));
    return { contentType: this.#registry.contentType, body: texts.join("") };
  }

  /**
   * Measuring the delay of the event loop wakes the process a hundred times a second, more often
   * than anything else in an idle gateway, so it starts with the first scrape.
   */
  #measureProcess(): void {
    if (this.#isProcessMeasured) return;
    this.#isProcessMeasured = true;
    collectDefaultMetrics({ register: this.#registry });
  }

  #registryOf(labels: readonly string[]): Registry {
    return labels.some((label) => TENANT_LABELS.has(label)) ? this.#tenants : this.#registry;
  }

  #countBy(name: string, help: string, label: string, fromStart: readonly string[] = []): CountBy {
    const counts = new CountBy(fromStart);
    const counter = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [],
      collect() {
        this.reset();
        for (const [value, count] of counts.counts) this.inc({ [label]: value }, count);
      },
    });
    this.#registry.registerMetric(counter);
    return counts;
  }
}
