// examples/platforms/workers.mjs
import { createReceiver } from "ringback/receiver";

let receive;

export default {
  fetch(request, env) {
    // Each isolate remembers what it has handled; give `seen` a KV namespace to share that.
    receive ??= createReceiver({
      secret: env.WEBHOOK_SECRET,
      on: (event) => console.log(event.id, event.type, event.data.job_id),
    });
    return receive(request);
  },
};
