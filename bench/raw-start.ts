import { once } from "node:events";
import { createAdaptorServer } from "@hono/node-server";
import { drizzle } from "drizzle-orm/postgres-js";
import { Hono } from "hono";
import postgres from "postgres";
import { Agent } from "undici";
import { z } from "zod";
import { serveCommands } from "./worker-process.ts";

/** The least that a start costs: the libraries are loaded, the database responds, a port is listened on. */

const [databaseUrl = ""] = process.argv.slice(2);
const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
await drizzle({ client: sql }).execute("select 1");
const dispatcher = new Agent();
const app = new Hono();
app.get("/readyz", (c) => c.json(z.object({ status: z.string() }).parse({ status: "ready" })));
const server = createAdaptorServer({ fetch: app.fetch });
server.listen(0, "127.0.0.1");
await once(server, "listening");

const commands = {
  end: async (): Promise<void> => {
    server.close();
    await dispatcher.close();
    await sql.end();
  },
};
export type RawStartCommands = typeof commands;

serveCommands(commands);
