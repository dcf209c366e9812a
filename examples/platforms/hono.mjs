// examples/platforms/hono.mjs
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createReceiver } from "ringback/receiver";

const receive = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

const app = new Hono();
app.post("/hook", (context) => receive(context.req.raw));

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });
