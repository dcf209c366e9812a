// examples/platforms/deno.mjs
import { createReceiver } from "ringback/receiver";

const receive = createReceiver({
  secret: Deno.env.get("WEBHOOK_SECRET"),
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 3000) }, receive);
