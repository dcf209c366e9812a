// examples/platforms/lambda.mjs
// Behind a function URL, an API Gateway (payload 1.0 or 2.0) or a load balancer.
import { createReceiver, lambdaHandler } from "ringback/receiver";

export const handler = lambdaHandler(
  createReceiver({
    secret: process.env.WEBHOOK_SECRET,
    on: (event) => console.log(event.id, event.type, event.data.job_id),
  }),
);
