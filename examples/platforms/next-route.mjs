// examples/platforms/next-route.mjs
// app/hook/route.ts in a Next application.
import { createReceiver } from "ringback/receiver";

export const POST = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});
