// examples/platforms/next-route.mjs
// app/hook/route.ts in a Next application.
import { createReceiver } from "ringback/receiver";

let receive;

export function POST(request) {
  // Made by the first request: `next build` loads this file without the secret.
  receive ??= createReceiver({
    secret: process.env.WEBHOOK_SECRET,
    on: (event) => console.log(event.id, event.type, event.data.job_id),
  });
  return receive(request);
}
