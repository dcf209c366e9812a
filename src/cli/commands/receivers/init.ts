import { access, copyFile, mkdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument } from "commander";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { withJson } from "../../frame/gateway.ts";
import { PLATFORM_NAMES, type PlatformName, PLATFORMS } from "./platforms.ts";
import { type CommandRun, type CommonFlags, runCommand } from "../../frame/run.ts";

interface InitFlags extends CommonFlags {
  readonly dir: string;
  readonly force?: boolean;
}

/** The same folder from the source and from the built package. */
const EXAMPLES = fileURLToPath(new URL("../../../../examples", import.meta.url));

export const initCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("init"))
    .description("write a receiver of callbacks for a platform")
    .addArgument(new Argument("<platform>", "where it runs").choices(PLATFORM_NAMES))
    .option("--dir <folder>", "where to write it", ".")
    .option("--force", "replace files that are there")
    .action(async (name: PlatformName, flags: InitFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => init(name, flags, run));
    });
};

async function init(
  name: PlatformName,
  { dir, force }: InitFlags,
  { out }: CommandRun,
): Promise<ExitCode> {
  const { files, next } = PLATFORMS[name];
  const targets = Object.entries(files).map(([from, to]) => ({
    from: join(EXAMPLES, from),
    to: join(dir, to),
  }));
  const taken = [];
  for (const { to } of targets) if (await exists(to)) taken.push(to);
  if (taken.length > 0 && force !== true) {
    throw new CliError(`There is a file already: ${taken.join(", ")}. Nothing was written.`, {
      hint: "Choose another folder with --dir, or replace it with --force.",
    });
  }
  for (const { from, to } of targets) {
    await mkdir(dirname(to), { recursive: true });
    await copyFile(from, to);
  }
  const written = targets.map(({ to }) => relative(".", to) || to);
  if (out.isJson) out.printJson({ platform: name, written, next });
  else {
    for (const file of written) out.print(file);
    out.note(`Next: ${next}`);
    out.note(
      "The secret: ringback listen --print-secret. Try it: ringback trigger job.completed --to <its URL>.",
    );
  }
  return EXIT.done;
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
