// examples/platforms/supabase.mjs
// supabase/functions/hook/index.ts, with verify_jwt = false: a callback brings a signature and no token.
import { createReceiver } from "ringback/receiver";

Deno.serve(
  createReceiver({
    secret: Deno.env.get("WEBHOOK_SECRET"),
    on: (event) => console.log(event.id, event.type, event.data.job_id),
  }),
);
