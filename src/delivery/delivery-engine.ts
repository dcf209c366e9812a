import { DEFAULT_SIGNATURES, type SignatureScheme } from "../core/signing/signature-scheme.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import type { Log } from "../runtime/process/log.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/db/database.ts";
import type { LoadedDelivery } from "../store/deliveries/load-deliveries.ts";
import type { ProjectSettings } from "../store/schema/projects.ts";
import type { AttemptRow } from "../store/writes/record-attempts.ts";
import { findSigningSecrets } from "../store/projects/signing-secrets.ts";
import { DeliveryLoop } from "./delivery-loop.ts";
import { callbackLimits, type DeliverySettings, deliverySettings } from "./delivery-settings.ts";
import type { OriginChange } from "./outbox/outbox.ts";
import { exhaustedNews, originNews } from "./operational/delivery-news.ts";
import { OperationalEvents } from "./operational/operational-events.ts";
import { signingKey } from "./attempt/sign.ts";
import { type MessagePorts, type SignedMessage, signedMessage } from "./attempt/signed-message.ts";
import { SigningKeys } from "./attempt/signing-keys.ts";
import {
  sendTestCallback,
  type TestCallback,
  type TestedCallback,
} from "./attempt/test-callback.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface DeliveryEngineOptions {
  readonly database: Database;
  readonly secretBox: SecretBox;
  readonly callbackClient: RequestClient;
  readonly version: string;
  readonly resultLinks: Pick<ResultLinks, "urlOf">;
  readonly settings: {
    readonly retryScheduleMs: readonly number[];
    readonly callbackTimeoutMs: number;
    readonly callbackConcurrency: number;
    readonly callbackRequestsPerSecond: number | null;
    readonly inlineResultBytesMax: number;
  };
  readonly ownedShards: () => readonly number[];
  /** False when the same attempt was recorded before. */
  record(attempt: AttemptRow): Promise<boolean>;
}

/** Everything between a delivery that is owed and its receiver. */
export class DeliveryEngine implements Service {
  readonly name = "delivery engine";
  readonly loop: DeliveryLoop;
  readonly operations: OperationalEvents;
  readonly #runtime: Runtime;
  readonly #options: DeliveryEngineOptions;
  /** Of projects that were made a moment ago, and where a project says nothing. */
  readonly #gateway: DeliverySettings;
  readonly #projects = new Map<string, DeliverySettings>();
  readonly #operationsUrls = new Map<string, string | null>();
  readonly #signingKeys: SigningKeys;
  readonly #messagePorts: MessagePorts;

  constructor(runtime: Runtime, options: DeliveryEngineOptions) {
    const { clock, metrics } = runtime;
    const { callbackClient, resultLinks, settings } = options;
    this.#runtime = runtime;
    this.#options = options;
    this.#gateway = gatewaySettings(settings);
    this.#signingKeys = openSigningKeys(runtime, options);
    this.#messagePorts = {
      ...options,
      inlineResultBytesMax: settings.inlineResultBytesMax,
      userAgent: this.#userAgent,
      resultUrl: (eventId) => resultLinks.urlOf(eventId, clock.now()),
      settingsOf: (projectId) => this.#projects.get(projectId) ?? this.#gateway,
      signingKeys: (projectId, schemes) => this.#signingKeys.of(projectId, schemes),
    };
    this.loop = new DeliveryLoop(runtime, {
      ...options,
      ...this.#messagePorts,
      callbackTimeoutMs: settings.callbackTimeoutMs,
      send: (request) => callbackClient.send(request),
      onOriginChange: (change) => {
        noteOriginChange(runtime.log, change);
        this.operations.tell(originNews(change));
      },
      attempted: (attempt) => metrics.recordAttempt(attempt),
      unsent: (code) => metrics.unsentCallbacks.add(code),
      exhausted: (delivery, errorCode) => {
        const news = exhaustedNews(delivery, errorCode);
        runtime.log.info(news.data, "a delivery has used up its attempts");
        this.operations.tell(news);
      },
    });
    this.operations = new OperationalEvents(runtime, {
      ...options,
      userAgent: this.#userAgent,
      callbackTimeoutMs: settings.callbackTimeoutMs,
      urlOf: (projectId) => this.#operationsUrls.get(projectId) ?? null,
      signingKeys: (projectId) => this.#signingKeys.of(projectId, this.#signaturesOf(projectId)),
      send: (request) => callbackClient.send(request),
    });
  }

  async start(): Promise<void> {
    await this.loop.start();
    await this.operations.start();
  }

  /** Begins no more attempts and waits for those under way to be recorded. */
  async stop(): Promise<void> {
    await Promise.all([this.loop.stop(), this.operations.stop()]);
  }

  /** Sends one callback about nothing, as the project's are sent. */
  test(callback: TestCallback): Promise<TestedCallback> {
    const { callbackClient, settings } = this.#options;
    return sendTestCallback(
      this.#runtime,
      {
        ...this.#options,
        userAgent: this.#userAgent,
        callbackTimeoutMs: settings.callbackTimeoutMs,
        signaturesOf: (projectId) => this.#signaturesOf(projectId),
        signingKeys: (projectId, schemes) => this.#signingKeys.of(projectId, schemes),
        send: (request) => callbackClient.send(request),
      },
      callback,
    );
  }

  /** The callback as a message that its client fetches, signed as of now. */
  message(loaded: LoadedDelivery): Promise<SignedMessage> {
    return signedMessage(this.#runtime, this.#messagePorts, loaded);
  }

  /** Delivers from now on as the project says. */
  configure(project: { readonly id: string; readonly settings: ProjectSettings }): void {
    const settings = deliverySettings(project.settings, this.#gateway);
    this.#projects.set(project.id, settings);
    this.#operationsUrls.set(project.id, project.settings.operations_url ?? null);
    this.loop.outbox.configure(project.id, settings.limits);
  }

  /** This node signs with what a project's secrets are now; the others see it within seconds. */
  signingSecretsChanged(projectId: string): void {
    this.#signingKeys.forget(projectId);
  }

  get #userAgent(): string {
    return `Ringback/${this.#options.version}`;
  }

  /** How a project's callbacks are signed unless a subscription says otherwise. */
  #signaturesOf(projectId: string): readonly SignatureScheme[] {
    return (this.#projects.get(projectId) ?? this.#gateway).signatures;
  }
}

function noteOriginChange(log: Log, { isFailing, ...where }: OriginChange): void {
  if (isFailing)
    log.warn(where, "a callback origin fails; it is tried once in a while from now on");
  else log.info(where, "a callback origin answers again");
}

function gatewaySettings(settings: DeliveryEngineOptions["settings"]): DeliverySettings {
  const { retryScheduleMs, callbackConcurrency, callbackRequestsPerSecond } = settings;
  return {
    retryScheduleMs,
    signatures: DEFAULT_SIGNATURES,
    limits: callbackLimits(callbackConcurrency, callbackRequestsPerSecond),
  };
}

function openSigningKeys(
  { clock }: Runtime,
  { database, secretBox }: DeliveryEngineOptions,
): SigningKeys {
  return new SigningKeys(clock, async (projectId) => {
    const secrets = await findSigningSecrets(database, projectId, clock.now());
    return secrets.map(({ id, scheme, sealed, expiresAtMs }) => ({
      signing: signingKey(scheme, secretBox.open(sealed, { column: "signing_secrets.secret", id })),
      expiresAtMs,
    }));
  });
}
