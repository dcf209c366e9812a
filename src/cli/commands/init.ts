import { access, copyFile, mkdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument } from "commander";
import { CliError, EXIT, type ExitCode } from "../frame/cli.ts";
import type { AddCommand } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { type CommandRun, type CommonFlags, runCommand } from "../frame/run.ts";

interface InitFlags extends CommonFlags {
  readonly dir: string;
  readonly force?: boolean;
}

/** A receiver for a platform. */
interface Platform {
  /** Files of `examples/`, with the name that each gets. */
  readonly files: Readonly<Record<string, string>>;
  /** The next step. */
  readonly next: string;
}

/** The same folder from the source and from the built package. */
const EXAMPLES = fileURLToPath(new URL("../../../examples", import.meta.url));

export const PLATFORMS: Readonly<Record<string, Platform>> = {
  node: {
    files: { "platforms/node.mjs": "receiver.mjs" },
    next: "npm install ringback && WEBHOOK_SECRET=whsec_… node receiver.mjs",
  },
  express: {
    files: { "receivers/express.mjs": "receiver.mjs" },
    next: "npm install express standardwebhooks && WEBHOOK_SECRET=whsec_… node receiver.mjs",
  },
  hono: {
    files: { "platforms/hono.mjs": "receiver.mjs" },
    next: "npm install ringback hono @hono/node-server && WEBHOOK_SECRET=whsec_… node receiver.mjs",
  },
  next: {
    files: { "platforms/next-route.mjs": "app/hook/route.js" },
    next: "npm install ringback; set WEBHOOK_SECRET in .env.local. The receiver is at /hook.",
  },
  workers: {
    files: { "platforms/workers.mjs": "src/index.mjs" },
    next: "npm install ringback && npx wrangler secret put WEBHOOK_SECRET",
  },
  lambda: {
    files: { "platforms/lambda.mjs": "index.mjs" },
    next: "npm install ringback; the handler is index.handler, and needs WEBHOOK_SECRET.",
  },
  fastapi: {
    files: { "receivers/fastapi_app.py": "receiver.py" },
    next: "pip install fastapi uvicorn standardwebhooks && WEBHOOK_SECRET=whsec_… python receiver.py",
  },
  flask: {
    files: { "receivers/flask_app.py": "receiver.py" },
    next: "pip install flask standardwebhooks && WEBHOOK_SECRET=whsec_… python receiver.py",
  },
  go: {
    files: {
      "receivers/go/main.go": "main.go",
      "receivers/go/go.mod": "go.mod",
      "receivers/go/go.sum": "go.sum",
    },
    next: "WEBHOOK_SECRET=whsec_… go run .",
  },
  rust: {
    files: {
      "receivers/rust/src/main.rs": "src/main.rs",
      "receivers/rust/Cargo.toml": "Cargo.toml",
    },
    next: "WEBHOOK_SECRET=whsec_… cargo run",
  },
  java: {
    files: { "receivers/java/Receiver.java": "Receiver.java", "receivers/java/pom.xml": "pom.xml" },
    next: "mvn compile dependency:copy-dependencies; then run Receiver with WEBHOOK_SECRET set.",
  },
  php: {
    files: { "receivers/receiver.php": "receiver.php" },
    next: "WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:3000 receiver.php",
  },
  ruby: {
    files: { "receivers/receiver.rb": "receiver.rb" },
    next: "WEBHOOK_SECRET=whsec_… ruby receiver.rb",
  },
};

export const initCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("init"))
    .description("write a receiver of callbacks for a platform")
    .addArgument(new Argument("<platform>", "where it runs").choices(Object.keys(PLATFORMS)))
    .option("--dir <folder>", "where to write it", ".")
    .option("--force", "replace files that are there")
    .action(async (name: string, flags: InitFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => init(name, flags, run));
    });
};

async function init(
  name: string,
  { dir, force }: InitFlags,
  { out }: CommandRun,
): Promise<ExitCode> {
  const { files, next } = PLATFORMS[name] ?? { files: {}, next: "" };
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
