// examples/platforms/bun.mjs
import { createReceiver } from "ringback/receiver";

const receive = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  routes: { "/hook": { POST: receive } },
  fetch: () => new Response(null, { status: 404 }),
});
