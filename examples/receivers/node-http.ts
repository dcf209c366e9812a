// examples/receivers/node-http.ts
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env["WEBHOOK_SECRET"] ?? "");
const seen = new Set<string>(); // a table with a unique key, in a real receiver

async function take(request: IncomingMessage): Promise<number> {
  try {
    const body = await text(request); // the exact bytes: verify before anything parses them
    const headers = request.headers as Record<string, string>;
    const event = webhook.verify(body, headers) as { type: string; data: { job_id?: string } };
    const id = headers["webhook-id"] ?? "";
    if (!seen.has(id)) console.log(id, event.type, event.data.job_id);
    seen.add(id);
    return 204;
  } catch {
    return 400;
  }
}

createServer((request, response) => {
  void take(request).then((status) => response.writeHead(status).end());
}).listen(Number(process.env["PORT"] ?? 3000));
