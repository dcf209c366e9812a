// examples/platforms/vercel.mjs
// api/hook.mjs in a Vercel project.
import { createReceiver, nodeHandler } from "ringback/receiver";

export const config = { api: { bodyParser: false } };

export default nodeHandler(
  createReceiver({
    secret: process.env.WEBHOOK_SECRET,
    on: (event) => console.log(event.id, event.type, event.data.job_id),
  }),
);
