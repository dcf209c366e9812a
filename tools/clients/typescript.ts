import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const TSC = resolve(import.meta.dirname, "../../node_modules/typescript/bin/tsc");

/** Strict, with the declarations of the generated files checked too. */
const TSCONFIG = {
  compilerOptions: {
    target: "es2023",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    allowImportingTsExtensions: true,
    types: [],
  },
  include: ["**/*.ts"],
};

/** A program that sends the request, given as JSON, with both clients. */
function useOf(request: string): string {
  return `
import type { components, paths, webhooks } from "./openapi-typescript.d.ts";
import { createSubscription } from "./hey-api/index.ts";
import type { WebhookEvent } from "./hey-api/index.ts";

type Body = paths["/v1/subscriptions"]["post"]["requestBody"]["content"]["application/json"];
export const body: Body = ${request};
export type Created =
  paths["/v1/subscriptions"]["post"]["responses"][201]["content"]["application/json"];
export type Ended = webhooks["job.completed"]["post"]["requestBody"];
export const code = (problem: components["schemas"]["Problem"]): "validation_failed" | null =>
  problem.code === "validation_failed" ? problem.code : null;

export async function subscribe(): Promise<string> {
  const { data, error } = await createSubscription({
    baseUrl: "http://127.0.0.1:8080",
    auth: "rb_key",
    headers: { "Idempotency-Key": "invoice-17" },
    body: ${request},
  });
  if (error !== undefined) return error.code;
  return data.id satisfies Created["id"];
}

export function titleOf(event: WebhookEvent): string {
  switch (event.type) {
    case "job.completed":
      return event.data.status satisfies "completed";
    case "job.timed_out":
      return event.data.status satisfies "timed_out";
    case "delivery.exhausted":
      return event.data.error_code;
    default:
      return event.type;
  }
}
`;
}

/**
 * Generates clients with openapi-typescript and @hey-api/openapi-ts, with their default settings, and
 * compiles a use of each.
 * @param document the path of an OpenAPI document
 * @param folder an empty one, for the generated files
 * @param request JSON of a subscription request
 * @returns what they printed that is not good news
 */
export async function checkTypeScriptClients(
  document: string,
  folder: string,
  request: string,
): Promise<string> {
  const node = process.execPath;
  const binary = (name: string): string => join(import.meta.dirname, "node_modules", name);
  const types = join(folder, "openapi-typescript.d.ts");
  const outputs = [
    await run(node, [binary("openapi-typescript/bin/cli.js"), document, "-o", types]),
    await run(node, [
      binary("@hey-api/openapi-ts/bin/run.js"),
      `--input=${document}`,
      `--output=${join(folder, "hey-api")}`,
      "--no-log-file",
    ]),
  ];
  writeFileSync(join(folder, "use.ts"), useOf(request));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
  try {
    await run(node, [TSC, "-p", folder]);
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    return stdout ?? String(error);
  }
  const printed = outputs.map(({ stdout, stderr }) => stdout + stderr).join("\n");
  return printed
    .split("\n")
    .filter((line) => /warn|error|⚠|unsupported|deprecat/i.test(line))
    .join("\n");
}
