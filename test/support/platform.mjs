// Takes the place of a platform that calls a function: serves the example that it is given, as the platform would.
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const example = await import(pathToFileURL(process.argv[2]).href);

async function answer(request) {
  const { method, headers } = request;
  const body = await buffer(request);
  if (example.handler !== undefined) {
    // As a function URL passes a request on: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    const { statusCode } = await example.handler({
      version: "2.0",
      rawPath: request.url,
      headers,
      requestContext: { http: { method, path: request.url } },
      body: body.toString("base64"),
      isBase64Encoded: true,
    });
    return statusCode;
  }
  const hasBody = method !== "GET";
  const url = `http://127.0.0.1${request.url}`;
  const received = new Request(url, { method, headers, ...(hasBody && { body }) });
  const call = example.POST ?? example.default.fetch;
  return (await call(received, { WEBHOOK_SECRET: process.env.WEBHOOK_SECRET })).status;
}

createServer((request, response) => {
  // Vercel's functions are called as Node's own.
  if (example.config !== undefined) return void example.default(request, response);
  void answer(request).then((status) => response.writeHead(status).end());
}).listen(Number(process.env.PORT));
