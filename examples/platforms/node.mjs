// examples/platforms/node.mjs
import { createServer } from "node:http";
import { createReceiver, nodeHandler } from "ringback/receiver";

const receive = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

createServer(nodeHandler(receive)).listen(Number(process.env.PORT ?? 3000));
