import { text as readText } from "node:stream/consumers";
import type { Command } from "commander";
import { shown, textTable } from "../../frame/output.ts";
import {
  type Cli,
  CliError,
  EXIT,
  type ExitCode,
  type AddCommand,
  type Commands,
} from "../../frame/cli.ts";
import { findGateway, type GatewayFlags, withGateway, withJson } from "../../frame/gateway.ts";
import {
  checkProfileName,
  profileNamed,
  readProfiles,
  writeProfiles,
} from "../../frame/profiles.ts";
import { type CommandRun, type CommonFlags, runCommand } from "../../frame/run.ts";
import { LOCAL_URL } from "../../../client/client.ts";
import { Ringback, RingbackError } from "../../../client/ringback.ts";
import { readHidden } from "../../frame/terminal-input.ts";
import { urlFrom } from "../../frame/values.ts";

interface LoginFlags extends CommonFlags {
  readonly url: string;
  readonly profile: string;
}

export const loginCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("login"))
    .description("save a gateway and an API key, which is asked for or read from standard input")
    .option("--url <url>", "address of the gateway", urlFrom, LOCAL_URL)
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

export const profileCommand: AddCommand = (parent, commands) => {
  const profile = parent.command("profile").description("manage saved gateways and keys");
  action(profile.command("list").description("show all of them"), commands, list);
  action(profile.command("use <name>").description("use this one from now on"), commands, use);
  action(profile.command("remove <name>").description("forget one"), commands, remove);
  const show = profile.command("show").description("show which gateway and key commands use");
  withGateway(show).action(async (flags: GatewayFlags) => {
    const { cli } = commands;
    commands.exitCode = await runCommand(cli, flags, async ({ out }) => {
      const { url, source } = await findGateway(cli, flags);
      if (out.isJson) out.printJson({ url, api_key_from: source });
      else out.print(`${url}, with the key of: ${source}`);
      return EXIT.done;
    });
  });
};

type Work = (name: string, run: CommandRun) => Promise<ExitCode>;

function action(command: Command, commands: Commands, work: Work): void {
  withJson(command).action(async () => {
    const [name = ""] = command.args;
    const flags = command.opts<CommonFlags>();
    commands.exitCode = await runCommand(commands.cli, flags, (run) => work(name, run));
  });
}

async function list(_name: string, { cli, out }: CommandRun): Promise<ExitCode> {
  const { current, profiles } = await readProfiles(cli.env);
  const found = Object.entries(profiles).map(([name, { url }]) => ({
    name,
    url,
    is_current: name === current,
  }));
  if (out.isJson) out.printJson({ profiles: found });
  else if (found.length === 0) out.note("There are none. Save one: ringback login.");
  else {
    const rows = found.map((of) => [of.is_current ? "*" : "", of.name, of.url]);
    out.print(textTable([["", "name", "gateway"], ...rows]));
  }
  return EXIT.done;
}

async function use(name: string, { cli, out }: CommandRun): Promise<ExitCode> {
  const saved = await readProfiles(cli.env);
  const { url } = profileNamed(saved, name);
  await writeProfiles(cli.env, { ...saved, current: name });
  if (out.isJson) out.printJson({ profile: name, url });
  else out.print(`Commands now use ${name}: ${url}`);
  return EXIT.done;
}

async function remove(name: string, { cli, out }: CommandRun): Promise<ExitCode> {
  const saved = await readProfiles(cli.env);
  profileNamed(saved, name);
  const kept = Object.entries(saved.profiles).filter(([other]) => other !== name);
  const current = saved.current === name ? null : saved.current;
  await writeProfiles(cli.env, { current, profiles: Object.fromEntries(kept) });
  if (out.isJson) out.printJson({ removed: name });
  else out.print(`Removed the profile ${name}.`);
  return EXIT.done;
}
