// examples/receivers/express.mjs
import express from "express";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env["WEBHOOK_SECRET"] ?? "");
const app = express();

// express.raw, not express.json: the signature is over the exact bytes. Large results need a limit above 100 KB.
app.post("/hook", express.raw({ type: "*/*", limit: "1mb" }), (request, response) => {
  try {
    const event = webhook.verify(request.body.toString("utf8"), request.headers);
    console.log(request.get("webhook-id"), event.type, event.data.job_id ?? "");
    response.sendStatus(204);
  } catch {
    response.sendStatus(400);
  }
});

app.listen(Number(process.env["PORT"] ?? 3000));
