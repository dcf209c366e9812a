import { existsSync } from "node:fs";
import { type Config, describeProblems, loadConfig, secretsOfConfig } from "../../config.ts";
import { testEventBody } from "../../core/delivery/event.ts";
import { planSockets } from "../../core/limits/machine-plan.ts";
import { buildOutbound } from "../../gateway/egress.ts";
import { findEmbeddedPostgres } from "../../embedded-postgres/start.ts";
import { SystemClock } from "../../runtime/clock.ts";
import { createLog, type Log } from "../../runtime/process/log.ts";
import { openFilesMax } from "../../runtime/process/machine-limits.ts";
import { StartRefusedError } from "../../runtime/process/fatal-errors.ts";
import type { Environment } from "../../runtime/settings/setting-reader.ts";
import { serverFacts } from "../../store/connection/server-facts.ts";
import { type Database, openDatabase } from "../../store/db/database.ts";
import { checkMigrated } from "../../store/db/migrate.ts";
import { setByDatabase } from "../../store/db/read-clock.ts";
import { signedRequest } from "../../testing/testing.ts";
import { checkEncryptionKeys } from "./check-encryption-keys.ts";
import { type Check, failed, ok, skipped, warning } from "../frame/verdicts.ts";

/* Checks of an operator's machine, from the point of view of a gateway that starts here. */

/** A database that is not there is said so, and not waited for. */
const CONNECT_FOR_MS = 3_000;
const STATEMENT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** A clock that is further off shows wrong times in the log. */
const CLOCK_OFF_MS_MAX = 5_000;
const EGRESS_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 16 * 1024;
const PROJECT = "doctor";

/** Gives one check after the other; what can't be looked at because of an earlier one is left out. */
export async function* checkMachine(
  env: Environment,
  options: { readonly receiver: string | null },
): AsyncGenerator<Check> {
  const loaded = loadConfig(env, false);
  if (loaded.kind === "invalid") {
    yield failed(
      "settings",
      describeProblems(loaded.problems),
      "Correct them: docs/reference/settings.md.",
    );
    return;
  }
  const { config, warnings } = loaded;
  yield warnings.length === 0
    ? ok("settings", "They can be understood.")
    : warning("settings", warnings.join("\n"), "Correct or remove them.");
  const log = createLog({
    level: "silent",
    format: "json",
    secrets: secretsOfConfig(config),
  });
  yield* checkDatabase(config, log);
  yield* checkEgress(config, options.receiver);
}

async function* checkDatabase(config: Config, log: Log): AsyncGenerator<Check> {
  const url = await urlOf(config, log);
  if (typeof url !== "string") {
    yield url;
    return;
  }
  let database;
  try {
    database = await openDatabase({
      url,
      connectionsMax: 1,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      connectForMs: CONNECT_FOR_MS,
      applicationName: "ringback doctor",
      log,
    });
  } catch (error) {
    yield failed(
      "database",
      textOf(error),
      "Check DATABASE_URL, and that Postgres runs and lets this machine in.",
    );
    return;
  }
  try {
    const { version } = await database.run("server version", serverFacts);
    yield ok("database", `Postgres ${version} answers.`);
    const schema = await checkSchema(database);
    yield schema;
    if (schema.verdict === "ok") yield await checkEncryptionKeys(config, database);
    yield await checkClock(database);
  } finally {
    await database.close(CLOSE_TIMEOUT_MS);
  }
}

async function urlOf({ database }: Config, log: Log): Promise<string | Check> {
  if (database.kind === "external") return database.url;
  const { dataDir } = database;
  const none = `No DATABASE_URL, and no gateway has run on ${dataDir} yet: it would bring its own Postgres.`;
  if (!existsSync(dataDir)) return skipped("database", none);
  try {
    const url = await findEmbeddedPostgres({ dataDir, log });
    return (
      url ??
      skipped("database", `The Postgres in ${dataDir} does not run; ringback start starts it.`)
    );
  } catch (error) {
    return failed("database", textOf(error), "Check DATA_DIR, and which user runs the gateway.");
  }
}

async function checkSchema(database: Database): Promise<Check> {
  try {
    await checkMigrated(database);
    return ok("migrations", "The schema is up to date.");
  } catch (error) {
    return failed("migrations", textOf(error), "Run: ringback migrate");
  }
}

async function checkClock(database: Database): Promise<Check> {
  const clock = new SystemClock({ wall: () => Date.now(), monotonic: () => performance.now() });
  await setByDatabase(clock, database);
  const offMs = Math.round(clock.systemAheadMs());
  const text = `This machine is ${Math.abs(offMs)} ms ${offMs < 0 ? "behind" : "ahead of"} the database.`;
  return Math.abs(offMs) <= CLOCK_OFF_MS_MAX
    ? ok("clock", text)
    : warning("clock", text, "Set the clock (NTP): log lines carry this machine's time.");
}

async function* checkEgress(config: Config, receiver: string | null): AsyncGenerator<Check> {
  const clock = new SystemClock({ wall: () => Date.now(), monotonic: () => performance.now() });
  const { upstreamClient, callbackClient } = buildOutbound(
    { clock },
    {
      config,
      port: config.port,
      localUrl: `http://127.0.0.1:${config.port}`,
      operatorProjectId: PROJECT,
      projectName: () => null,
      allowed: (_project, name) => config.projectLimits.alone[name],
      sockets: planSockets(openFilesMax()),
    },
  );
  try {
    const { origin, href } = new URL(config.pulse.baseUrl);
    const asked = await upstreamClient.send({
      projectId: PROJECT,
      method: "GET",
      origin,
      path: new URL(href).pathname,
      headers: {},
      body: null,
      isTrusted: true,
      timeoutMs: EGRESS_TIMEOUT_MS,
      responseBytesMax: ANSWER_BYTES_MAX,
      whenLarger: "truncate",
    });
    const isUsed = config.pulse.apiKey !== null;
    if (asked.kind === "answered") yield ok("egress", `${origin} answers (${asked.status}).`);
    else {
      const text = `${origin} can't be reached: ${asked.failure.message}`;
      const action = "Let this machine out to it: DNS, firewall, RINGBACK_NAME_SERVERS.";
      yield isUsed
        ? failed("egress", text, action)
        : warning("egress", text, `${action} It matters for jobs of pulse.`);
    }
    if (receiver !== null) yield await checkReceiver(callbackClient, receiver, config);
  } finally {
    await Promise.all([
      upstreamClient.close(CLOSE_TIMEOUT_MS),
      callbackClient.close(CLOSE_TIMEOUT_MS),
    ]);
  }
}

/** Sends a signed test event from here, by the rules for callbacks. */
async function checkReceiver(
  client: ReturnType<typeof buildOutbound>["callbackClient"],
  receiver: string,
  { signingSecret }: Config,
): Promise<Check> {
  const { origin, pathname, search } = new URL(receiver);
  const body = testEventBody(Date.now());
  const headers =
    signingSecret === null
      ? { "content-type": "application/json" }
      : Object.fromEntries(signedRequest(body, signingSecret, { url: receiver }).headers);
  const sent = await client.send({
    projectId: PROJECT,
    method: "POST",
    origin,
    path: pathname + search,
    headers,
    body,
    timeoutMs: EGRESS_TIMEOUT_MS,
    responseBytesMax: ANSWER_BYTES_MAX,
    whenLarger: "truncate",
  });
  if (sent.kind === "failed") {
    const isGuarded =
      sent.failure.code === "address_refused" || sent.failure.code === "url_refused";
    const action = isGuarded
      ? "Callbacks go to public https addresses, and to what RINGBACK_EGRESS_ALLOW allows."
      : "Check that it runs, and that this machine gets there.";
    return failed("receiver", `${receiver}: ${sent.failure.message}`, action);
  }
  if (sent.status >= 200 && sent.status <= 299)
    return ok("receiver", `${receiver} took a test event (${sent.status}).`);
  const unsigned =
    signingSecret === null ? " It was not signed: RINGBACK_SIGNING_SECRET is not set here." : "";
  return warning(
    "receiver",
    `${receiver} answered ${sent.status} to a test event.${unsigned}`,
    "It has to answer 2xx. Check its secret, and that nothing changes the body before it verifies.",
  );
}

function textOf(error: unknown): string {
  if (error instanceof StartRefusedError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
