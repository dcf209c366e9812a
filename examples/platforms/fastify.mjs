// examples/platforms/fastify.mjs
import Fastify from "fastify";
import { createReceiver } from "ringback/receiver";

const receive = createReceiver({
  secret: process.env.WEBHOOK_SECRET,
  on: (event) => console.log(event.id, event.type, event.data.job_id),
});

const app = Fastify();
app.register(async (hooks) => {
  // The signature is over the bytes as they came; other routes keep their parser.
  hooks.removeContentTypeParser("application/json");
  hooks.addContentTypeParser("application/json", { parseAs: "buffer" }, async (_, body) => body);
  hooks.post("/hook", async ({ headers, body }, reply) => {
    const request = new Request("http://localhost/hook", { method: "POST", headers, body });
    const response = await receive(request);
    return reply.code(response.status).send(await response.text());
  });
});

await app.listen({ port: Number(process.env.PORT ?? 3000) });
