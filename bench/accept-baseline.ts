import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { subscriptionRequestSchema } from "../src/api/subscriptions/schema.ts";
import { serveCommands } from "./worker-process.ts";

/** The least that accepting costs: authenticate, validate by the same schema, answer; nothing stored. */

const commands = { listen };
export type AcceptBaselineCommands = typeof commands;

serveCommands(commands);

async function listen({ apiKey }: { readonly apiKey: string }): Promise<string> {
  const known = new Set([hashOf(apiKey)]);
  const app = new Hono();
  app.post("/v1/subscriptions", async (c) => {
    const key = c.req.header("authorization")?.slice("Bearer ".length) ?? "";
    if (!known.has(hashOf(key))) return c.json({ title: "Unauthorized" }, 401);
    const request = subscriptionRequestSchema.safeParse(await c.req.json());
    if (!request.success) return c.json({ title: "Bad Request" }, 400);
    return c.json({ id: "sub_1", object: "subscription", job_id: request.data.job_id }, 201);
  });
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
