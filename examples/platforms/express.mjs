// examples/platforms/express.mjs
import express from "express";
import { createReceiver, nodeHandler } from "ringback/receiver";

const receive = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

const app = express();
// Before any express.json(): the signature is over the bytes as they came.
app.post("/hook", nodeHandler(receive));

app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
