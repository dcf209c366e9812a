import { createHash, createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import postgres from "postgres";
import { Agent, request } from "undici";
import { subscriptionRequestSchema } from "../src/api/subscriptions/schema.ts";
import { serveCommands } from "./worker-process.ts";

/**
 * The least program that takes a subscription, asks for its job once, and sends its callback, with
 * each step committed as the gateway's are: one table, a row a message, no batches, no retries, no
 * limits. A failure ends it.
 */

interface RawRelay {
  readonly apiKey: string;
  readonly databaseUrl: string;
  readonly upstreamUrl: string;
}

const CONNECTIONS_MAX = 16;

const commands = { listen };
export type RawRelayCommands = typeof commands;

serveCommands(commands);

async function listen({ apiKey, databaseUrl, upstreamUrl }: RawRelay): Promise<string> {
  const sql = postgres(databaseUrl, { max: CONNECTIONS_MAX, onnotice: () => {} });
  await sql`create table raw_messages (
    id uuid primary key, job_id text not null, callback_url text not null, metadata jsonb,
    job_status text not null, event jsonb, delivery_status text, attempted_at timestamptz)`;
  const dispatcher = new Agent({ connections: CONNECTIONS_MAX, pipelining: 1 });
  const known = new Set([hashOf(apiKey)]);
  const app = new Hono();
  app.post("/v1/subscriptions", async (c) => {
    const key = c.req.header("authorization")?.slice("Bearer ".length) ?? "";
    if (!known.has(hashOf(key))) return c.json({ title: "Unauthorized" }, 401);
    const parsed = subscriptionRequestSchema.safeParse(await c.req.json());
    const { job_id: jobId, callback_url: callbackUrl, metadata = {} } = parsed.data ?? {};
    if (jobId === undefined || callbackUrl === undefined) return c.json({ title: "Bad" }, 400);
    const message = { id: randomUUID(), jobId, callbackUrl, metadata };
    await sql`insert into raw_messages (id, job_id, callback_url, metadata, job_status)
      values (${message.id}, ${jobId}, ${callbackUrl}, ${JSON.stringify(metadata)}::text::jsonb, 'running')`;
    void relay(message);
    return c.json({ id: message.id, object: "subscription", job_id: jobId }, 201);
  });

  const key = Buffer.alloc(32, 7);
  async function relay(message: Message): Promise<void> {
    const answer = await request(`${upstreamUrl}/job/${message.jobId}`, { dispatcher });
    const job = (await answer.body.json()) as { readonly status: string; readonly result: object };
    const event = {
      type: `job.${job.status}`,
      data: { job_id: message.jobId, metadata: message.metadata, result: job.result },
    };
    const body = JSON.stringify(event);
    await sql`update raw_messages set job_status = ${job.status}, event = ${body}::text::jsonb,
      delivery_status = 'pending' where id = ${message.id}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac("sha256", key)
      .update(`${message.id}.${timestamp}.${body}`)
      .digest("base64");
    const taken = await request(message.callbackUrl, {
      dispatcher,
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${signature}`,
      },
    });
    await taken.body.dump();
    await sql`update raw_messages set delivery_status = 'delivered', attempted_at = now()
      where id = ${message.id}`;
  }

  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Message {
  readonly id: string;
  readonly jobId: string;
  readonly callbackUrl: string;
  readonly metadata: object;
}

function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
