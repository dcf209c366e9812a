import { Command, CommanderError } from "commander";
import { consoleLinkCommand } from "./commands/jobs/console-link.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { importCommand } from "./commands/jobs/import.ts";
import { inboxCommand } from "./commands/jobs/inbox.ts";
import { extendCommand } from "./commands/jobs/extend.ts";
import { initCommand } from "./commands/receivers/init.ts";
import { keyCommand } from "./commands/settings/key.ts";
import { listCommand } from "./commands/jobs/list.ts";
import { listenCommand } from "./commands/receivers/listen.ts";
import { loginCommand, profileCommand } from "./commands/settings/profile.ts";
import {
  migrateCommand,
  projectCommand,
  resealCommand,
  startCommand,
} from "./commands/operator.ts";
import { redeliverCommand } from "./commands/jobs/redeliver.ts";
import { subscribeCommand } from "./commands/jobs/subscribe.ts";
import { tailCommand } from "./commands/jobs/tail.ts";
import { triggerCommand } from "./commands/receivers/trigger.ts";
import { tryCommand } from "./commands/try.ts";
import { waitCommand } from "./commands/jobs/wait.ts";
import { whyCommand } from "./commands/jobs/why.ts";
import { type Cli, EXIT, type AddCommand, type Commands } from "./frame/cli.ts";
import { Output } from "./frame/output.ts";
import { printFailure } from "./frame/run.ts";

const FOR_USERS: readonly AddCommand[] = [
  subscribeCommand,
  importCommand,
  waitCommand,
  whyCommand,
  extendCommand,
  listCommand,
  tailCommand,
  inboxCommand,
  redeliverCommand,
  consoleLinkCommand,
];

const FOR_RECEIVERS: readonly AddCommand[] = [initCommand, listenCommand, triggerCommand];

const FOR_SETTINGS: readonly AddCommand[] = [loginCommand, profileCommand, keyCommand];

const FOR_PROVIDERS: readonly AddCommand[] = [tryCommand];

const FOR_OPERATORS: readonly AddCommand[] = [
  startCommand,
  migrateCommand,
  projectCommand,
  resealCommand,
  doctorCommand,
];

/** Commands whose arguments are commands too, or that have none: one too many is an unknown command. */
const WITHOUT_ARGUMENTS: readonly string[] = ["start", "migrate", "project", "reseal"];

/** Where there is no terminal. */
const HELP_COLUMNS = 100;

/** The whole command line; without a command it starts the gateway. Returns the exit code. */
export async function runProgram(args: readonly string[], cli: Cli): Promise<number> {
  const commands: Commands = { cli, exitCode: EXIT.done };
  const program = createProgram(commands);
  try {
    await program.parseAsync(spelledOut(args, program), { from: "user" });
    return commands.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return misunderstood(error, args, { cli, program });
    return printFailure(new Output(cli, { isJson: args.includes("--json") }), error);
  }
}

/** `help key create` is `key create --help`, at any depth. */
function spelledOut(args: readonly string[], program: Command): readonly string[] {
  if (args.length === 0) return ["start"];
  const [first, ...words] = args;
  const names = words.filter((word) => !word.startsWith("-"));
  const isHelp = first === "help" && names.length > 0;
  // An unknown command is refused as such; with `--help`, the whole help would be shown for it.
  if (!isHelp) return args;
  return commandPath(names, program).length === names.length ? [...names, "--help"] : words;
}

/** The words at the beginning that name a command and its parents. */
function commandPath(words: readonly string[], program: Command): string[] {
  return knownCommands(words, program).path;
}

/** The same, and the last of these commands that has others. */
function knownCommands(
  words: readonly string[],
  program: Command,
): { readonly path: string[]; readonly parent: Command } {
  const path: string[] = [];
  let [at, parent] = [program, program];
  for (const word of words) {
    const next = at.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    path.push(word);
    at = next;
    if (at.commands.length > 0) parent = at;
  }
  return { path, parent };
}

/** The tree of commands. */
export function createProgram(commands: Commands): Command {
  const { cli } = commands;
  const program = new Command("ringback")
    .description("Polls jobs at their APIs and calls you back with a signed webhook when they end.")
    .usage("[command]")
    .version(cli.version, "--version", "print the version")
    .helpOption("-h, --help", "show help, of each command too")
    .helpCommand("help [command]", "show help for a command")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      writeErr: (text) => void cli.stderr.write(text),
      getOutHelpWidth: () => cli.stdout.columns ?? HELP_COLUMNS,
      getErrHelpWidth: () => cli.stderr.columns ?? HELP_COLUMNS,
      // Said once, by `misunderstood`.
      outputError: () => undefined,
    })
    .addHelpText(
      "after",
      "\nWithout a command it starts the gateway. Settings of the gateway come from the environment;\n" +
        "docs/reference/settings.md lists them, and docs/cli.md describes each command.",
    );
  program.commandsGroup("Jobs and callbacks:");
  for (const add of FOR_USERS) add(program, commands);
  program.commandsGroup("Receivers:");
  for (const add of FOR_RECEIVERS) add(program, commands);
  program.commandsGroup("Providers:");
  for (const add of FOR_PROVIDERS) add(program, commands);
  program.commandsGroup("Gateways and keys:");
  for (const add of FOR_SETTINGS) add(program, commands);
  program.commandsGroup("The gateway itself:");
  for (const add of FOR_OPERATORS) add(program, commands);
  return program;
}

const HELP_CODES: readonly string[] = ["commander.help", "commander.helpDisplayed"];

/** The call asks for help, or can't be understood. */
function misunderstood(
  error: CommanderError,
  args: readonly string[],
  { cli, program }: { readonly cli: Cli; readonly program: Command },
): number {
  if (error.code === "commander.version") return EXIT.done;
  if (HELP_CODES.includes(error.code)) {
    // A command that has others was called without one.
    return error.exitCode === 0 ? EXIT.done : EXIT.failed;
  }
  const [command = ""] = args;
  const isUnknown =
    error.code === "commander.unknownCommand" ||
    (error.code === "commander.excessArguments" && WITHOUT_ARGUMENTS.includes(command));
  const message = error.message.replace(/^error: /, "");
  if (args.includes("--json")) {
    const code = isUnknown ? "unknown_command" : "wrong_arguments";
    const problem = { code, message, hint: null, exit_code: EXIT.failed };
    cli.stderr.write(`${JSON.stringify({ error: problem })}\n`);
  } else if (isUnknown) {
    const [, suggestion] = /\((Did you mean [^)]*)\)/.exec(message) ?? [];
    const { parent } = knownCommands(command === "help" ? args.slice(1) : args, program);
    const lines = [`Unknown command: ${args.join(" ")}`, "", parent.helpInformation().trimEnd()];
    cli.stderr.write(`${[...lines, ...(suggestion ? ["", suggestion] : [])].join("\n")}\n`);
  } else {
    const help = ["ringback help", ...commandPath(args, program)].join(" ");
    cli.stderr.write(`${message}\nSee: ${help}\n`);
  }
  return EXIT.failed;
}
