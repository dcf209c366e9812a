// Run by the Node that a machine has, in a folder where the package is installed: watches a job, waits for it,
// and takes its callback. Prints what it saw as JSON.
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Ringback } from "ringback/client";
import { createReceiver, nodeHandler } from "ringback/receiver";
import { eventFixture } from "ringback/testing";

const { GATEWAY: url, API_KEY: apiKey } = process.env;
const ringback = new Ringback({ url, apiKey });
const [{ secret }] = await ringback.signingSecrets.list().toArray(1);
const { promise, resolve } = Promise.withResolvers?.() ?? deferred();

const receive = createReceiver({
  secret,
  on: {
    "job.completed": async (event) =>
      resolve({ id: event.id, result: await event.rawResult(), metadata: event.data.metadata }),
  },
});
const server = createServer(nodeHandler(receive)).listen(0, "127.0.0.1");
await once(server, "listening");

const submitted = await fetch(`${url}/sandbox/jobs`, {
  method: "POST",
  headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
  body: '{"duration_s": 0.2, "result": {"decimal": 1.10, "integer": 12345678901234567890}}',
});
const subscription = await ringback.watch(await submitted.json(), {
  provider: "sandbox",
  callbackUrl: `http://127.0.0.1:${server.address().port}/hook`,
  metadata: { invoice: 17 },
});
const ending = await ringback.wait(subscription);
const callback = await promise;
server.close();
process.stdout.write(
  JSON.stringify({
    ending: ending.type,
    raw: await ending.rawResult(),
    callback,
    ed25519: await takesEd25519(),
  }),
);

/** Whether this platform verifies v1a. */
async function takesEd25519() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const keys = [publicKey.export({ format: "jwk" })];
  const body = eventFixture("job.failed");
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = sign(null, Buffer.from(`msg_1.${timestamp}.${body}`), privateKey);
  const verify = createReceiver({
    keysUrl: "https://k.example",
    on: {},
    fetch: async () => Response.json({ keys }),
  });
  const headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1a,${signature.toString("base64")}`,
  };
  const request = new Request("https://app.example.com", { method: "POST", headers, body });
  return (await verify(request)).status;
}

/** Node 20 has no `Promise.withResolvers`. */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve) => {
    parts.resolve = resolve;
  });
  return parts;
}
