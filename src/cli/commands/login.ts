import { text as readText } from "node:stream/consumers";
import { Ringback, RingbackError } from "../../client/ringback.ts";
import { type Cli, CliError, EXIT, type ExitCode } from "../frame/cli.ts";
import type { AddCommand } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { shown } from "../frame/output.ts";
import { checkProfileName, readProfiles, writeProfiles } from "../frame/profiles.ts";
import { readHidden } from "../frame/read-hidden.ts";
import { type CommandRun, type CommonFlags, runCommand } from "../frame/run.ts";
import { urlFrom } from "../frame/values.ts";

interface LoginFlags extends CommonFlags {
  readonly url: string;
  readonly profile: string;
}

export const loginCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("login"))
    .description("save a gateway and an API key, which is asked for or read from standard input")
    .option("--url <url>", "address of the gateway", urlFrom, "http://127.0.0.1:8080")
    .option("--profile <name>", "name to save them under", "default")
    .action(async (flags: LoginFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => login(flags, run));
    });
};

async function login(
  { url, profile }: LoginFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const name = checkProfileName(profile);
  const before = await readProfiles(cli.env);
  const apiKey = (await readKey(cli, url, signal)).trim();
  if (apiKey === "") throw new CliError("No API key was given.", { hint: "It begins with rb_." });
  const project = await projectOf(url, apiKey, signal);
  const file = await writeProfiles(cli.env, {
    current: name,
    profiles: { ...before.profiles, [name]: { url, api_key: apiKey } },
  });
  if (out.isJson) out.printJson({ profile: name, url, project, file });
  else {
    const to = project === null ? "" : `, to the project ${shown(project)}`;
    out.print(`Saved the profile ${name} in ${file}: ${url}${to}.`);
  }
  return EXIT.done;
}

function readKey(cli: Cli, url: string, signal: AbortSignal): Promise<string> {
  if (cli.stdin.isTTY !== true) return readText(cli.stdin);
  return readHidden(cli, `API key for ${url} (rb_…, not shown): `, signal);
}

/** Tries the key. Null for one that may use the gateway, but not see its project. */
async function projectOf(url: string, apiKey: string, signal: AbortSignal): Promise<string | null> {
  try {
    return (await new Ringback({ url, apiKey, retries: 1 }).project({ signal })).name;
  } catch (error) {
    if (error instanceof RingbackError && error.status === 403) return null;
    throw error;
  }
}
