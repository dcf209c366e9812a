import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { startTemporaryGateway, type TemporaryGateway } from "./temporary-gateway.ts";

/*
 * The whole loop, once: submit a job to the sandbox, subscribe to it, wait for the callback, show
 * it. Uses the gateway at RINGBACK_URL when RINGBACK_API_KEY is set and one answers there, else
 * one of its own.
 */

const JOB_SECONDS = 2;
const LOOP_MS_MAX = 45_000;
const LOOK_INTERVAL_MS = 100;
const ANSWER_MS_MAX = 5000;

/** Where the loop runs. Stopping it does nothing unless the demo started it. */
type DemoGateway = Omit<TemporaryGateway, "pid">;

const submittedSchema = z.object({ job_id: z.string() });
const subscribedSchema = z.object({ id: z.string() });
const inboxSchema = z.object({
  data: z.array(
    z.object({
      verified: z.boolean(),
      reason: z.string().nullable(),
      headers: z.record(z.string(), z.string()),
      body: z.string(),
    }),
  ),
});
type ReceivedCallback = z.infer<typeof inboxSchema>["data"][number];

process.exitCode = await main();

async function main(): Promise<0 | 1> {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => interrupted.abort(new Error(`Stopped by ${name}.`)));
  }
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(LOOP_MS_MAX)]);
  let gateway: DemoGateway | null = null;
  try {
    gateway = (await findGateway()) ?? (await startGateway(signal));
    await showLoop(gateway, signal);
    return 0;
  } catch (error) {
    console.error(`\nThe demo failed: ${explain(error)}`);
    return 1;
  } finally {
    await gateway?.stop();
  }
}

async function findGateway(): Promise<DemoGateway | null> {
  const { RINGBACK_API_KEY: apiKey, RINGBACK_URL: givenUrl, PORT: port = "8080" } = process.env;
  if (apiKey === undefined || apiKey === "") return null;
  const url = (givenUrl ?? `http://127.0.0.1:${port}`).replace(/\/+$/, "");
  if (!(await isReady(url))) {
    console.log(`No gateway is ready at ${url}.`);
    return null;
  }
  console.log(`Using the gateway at ${url}.`);
  return { url, apiKey, stop: () => Promise.resolve() };
}

async function startGateway(signal: AbortSignal): Promise<DemoGateway> {
  console.log("Starting a gateway with a database of its own …");
  const gateway = await startTemporaryGateway({ env: process.env, isReady, signal });
  console.log(`It is ready at ${gateway.url}.`);
  return gateway;
}

async function showLoop({ url, apiKey }: DemoGateway, signal: AbortSignal): Promise<void> {
  const job = { duration_s: JOB_SECONDS, result: { pages: 3, words: 12_345_678_901_234 } };
  const { job_id: jobId } = await post(`${url}/sandbox/jobs`, job, submittedSchema, {
    signal,
    apiKey,
  });
  console.log(`\n1. Submitted the job ${jobId} to the sandbox; it takes ${JOB_SECONDS} s.`);

  const inboxUrl = `${url}/sandbox/inbox/demo-${randomBytes(6).toString("hex")}`;
  const requested = { provider: "sandbox", job_id: jobId, callback_url: inboxUrl };
  const subscriptionsUrl = `${url}/v1/subscriptions`;
  const { id } = await post(subscriptionsUrl, requested, subscribedSchema, { signal, apiKey });
  const subscribedAt = performance.now();
  console.log(`2. Subscribed (${id}): Ringback polls the job and calls\n   ${inboxUrl}`);

  const callback = await waitForCallback(inboxUrl, signal).catch(async (cause: unknown) => {
    const state = await describeSubscription(`${subscriptionsUrl}/${id}`, apiKey);
    throw new Error(`No callback came. The subscription: ${state}`, { cause });
  });
  if (!callback.verified) throw new Error(`The callback was not verified: ${callback.reason}.`);
  const seconds = ((performance.now() - subscribedAt) / 1000).toFixed(1);
  console.log(`3. The callback came after ${seconds} s and its signature is verified:\n`);
  printCallback(callback);
}

async function waitForCallback(inboxUrl: string, signal: AbortSignal): Promise<ReceivedCallback> {
  for (;;) {
    const response = await fetch(inboxUrl, { headers: { accept: "application/json" }, signal });
    const [callback] = (await readAs(inboxSchema, response)).data;
    if (callback !== undefined) return callback;
    await wait(LOOK_INTERVAL_MS, undefined, { signal });
  }
}

async function describeSubscription(url: string, apiKey: string): Promise<string> {
  const headers = { authorization: `Bearer ${apiKey}` };
  try {
    return await (await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) })).text();
  } catch (error) {
    return `unknown (${explain(error)})`;
  }
}

function printCallback({ headers, body }: ReceivedCallback): void {
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith("webhook-")) console.log(`${name}: ${value}`);
  }
  console.log(`\n${JSON.stringify(JSON.parse(body), null, 2)}`);
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })).ok;
  } catch {
    return false;
  }
}

async function post<Answer>(
  url: string,
  body: object,
  schema: z.ZodType<Answer>,
  { apiKey, signal }: { readonly apiKey?: string; readonly signal: AbortSignal },
): Promise<Answer> {
  const headers = new Headers({ "content-type": "application/json" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  const init = { method: "POST", headers, body: JSON.stringify(body), signal };
  return readAs(schema, await fetch(url, init));
}

async function readAs<Answer>(schema: z.ZodType<Answer>, response: Response): Promise<Answer> {
  const text = await response.text();
  if (response.ok) return schema.parse(JSON.parse(text));
  const isMissing = response.status === 404 && response.url.includes("/sandbox/");
  const hint = isMissing ? " Its sandbox is off; RINGBACK_SANDBOX=1 turns it on." : "";
  throw new Error(`${response.url} answered ${response.status}.${hint}\n${text}`);
}

/** The message of an error and of what caused it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `It took longer than ${LOOP_MS_MAX / 1000} s.`;
  if (error.name === "AbortError" && error.cause !== undefined) return explain(error.cause);
  return error.cause === undefined ? error.message : `${error.message}\n${explain(error.cause)}`;
}
