import { loadConfig } from "../../src/config.ts";
import { readProjectCommand, runProjectCommand } from "../../src/cli/operator/project.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { type Api, apiOf } from "./api-client.ts";
import { gatewayEnvironment } from "./gateway-environment.ts";

/**
 * Makes another project beside the one of the gateway, as an operator does.
 * @param changes what the gateway was started with, its encryption keys among them
 * @returns its API key
 */
export async function createProjectKey(
  { databaseUrl }: { readonly databaseUrl: string },
  name: string,
  changes: Readonly<Record<string, string>>,
): Promise<string> {
  const loaded = loadConfig(gatewayEnvironment(databaseUrl, changes), false);
  const command = readProjectCommand(["create", name]);
  if (loaded.kind === "invalid" || command === null) throw new Error("not a valid command");
  const log = createLog({ level: "silent", format: "json" });
  const { text: said } = await runProjectCommand(command, loaded.config, {
    clock: systemClock,
    log,
  });
  const [key] = /\brb_\S+/.exec(said) ?? [];
  if (key === undefined) throw new Error(said);
  return key;
}

/** The same; its way in. */
export async function addProject(
  gateway: { readonly url: string; readonly databaseUrl: string },
  name: string,
  changes: Readonly<Record<string, string>>,
): Promise<Api> {
  const key = await createProjectKey(gateway, name, changes);
  const api = apiOf(gateway.url);
  return (method, path, body, headers = {}) =>
    api(method, path, body, { authorization: `Bearer ${key}`, ...headers });
}
