import type { ChangeSignal } from "../runtime/change-signal.ts";
import { DEFAULT_SIGNATURES } from "../core/signing.ts";
import type { LoopCrowd } from "../lanes/shares/loop-crowd.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { Database } from "../store/db/database.ts";
import type { LoadedDelivery } from "../store/deliveries/load-deliveries.ts";
import type { ProjectSettings } from "../store/schema/projects.ts";
import { findSigningSecrets } from "../store/projects/signing-secrets.ts";
import type { Writers } from "../store/writes/writers.ts";
import type { InboxFeed } from "./waits/inbox-feed.ts";
import { DeliveryLoop, type DeliveryLoopOptions } from "./delivery-loop.ts";
import {
  callbackLimits,
  type DeliverySettings,
  ProjectDeliverySettings,
} from "./delivery-settings.ts";
import { OperationalEvents } from "./operational/operational-events.ts";
import { signingKey } from "./attempt/sign.ts";
import { type SignedMessage, signedMessage } from "./attempt/signed-message.ts";
import { SigningKeys } from "./attempt/signing-keys.ts";
import {
  sendTestCallback,
  type TestCallback,
  type TestedCallback,
} from "./attempt/test-callback.ts";

interface DeliveryEngineOptions {
  /** Tell when deliveries and operational events may be due. */
  readonly dueChanges?: ChangeSignal;
  readonly eventChanges?: ChangeSignal;
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly writers: Writers;
  readonly inboxFeed: Pick<InboxFeed, "stored">;
  readonly secretBox: SecretBox;
  readonly callbackClient: RequestClient;
  readonly version: string;
  readonly resultLinks: ResultLinks;
  readonly loopCrowd: LoopCrowd;
  readonly config: GatewayDeliveryConfig & {
    readonly callbackTimeoutMs: number;
    readonly inlineResultBytesMax: number;
  };
}

/** The part of the gateway's configuration that projects may narrow. */
interface GatewayDeliveryConfig {
  readonly retryScheduleMs: readonly number[];
  readonly callbackConcurrency: number;
  readonly callbackRequestsPerSecond: number | null;
}

/** Everything between a pending delivery and its receiver. */
export class DeliveryEngine implements Service {
  readonly loop: DeliveryLoop;
  readonly operationalEvents: OperationalEvents;
  readonly signingKeys: SigningKeys;
  readonly #settings: ProjectDeliverySettings;
  readonly #runtime: Runtime;
  readonly #loopOptions: DeliveryLoopOptions;

  constructor(runtime: Runtime, options: DeliveryEngineOptions) {
    const { callbackTimeoutMs, inlineResultBytesMax } = options.config;
    this.#runtime = runtime;
    this.signingKeys = openSigningKeys(runtime, options);
    this.#settings = new ProjectDeliverySettings(gatewaySettings(options.config));
    const shared = {
      ...options,
      callbackTimeoutMs,
      userAgent: `Ringback/${options.version}`,
      settings: this.#settings,
      signingKeys: this.signingKeys,
    };
    this.operationalEvents = new OperationalEvents(runtime, shared);
    const { operationalEvents } = this;
    this.#loopOptions = { ...shared, inlineResultBytesMax, operationalEvents };
    this.loop = new DeliveryLoop(runtime, this.#loopOptions);
  }

  async start(): Promise<void> {
    await this.loop.start();
    await this.operationalEvents.start();
  }

  /** Begins no more attempts and waits until those in progress are recorded. */
  async stop(): Promise<void> {
    await Promise.all([this.loop.stop(), this.operationalEvents.stop()]);
  }

  /** Sends one test callback in the way the project's callbacks are sent. */
  test(callback: TestCallback): Promise<TestedCallback> {
    return sendTestCallback(this.#runtime, this.#loopOptions, callback);
  }

  /** The callback as a message that its client fetches, signed as of now. */
  message(loaded: LoadedDelivery): Promise<SignedMessage> {
    return signedMessage(this.#runtime, this.#loopOptions, loaded);
  }

  /** Applies a project's settings to all deliveries from now on. */
  configure(project: { readonly id: string; readonly settings: ProjectSettings }): void {
    this.#settings.configure(project.id, project.settings);
    this.loop.outbox.configure(project.id, this.#settings.of(project.id).limits);
  }
}

function gatewaySettings(config: GatewayDeliveryConfig): DeliverySettings {
  const { retryScheduleMs, callbackConcurrency, callbackRequestsPerSecond } = config;
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
