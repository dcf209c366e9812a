import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A worker's commands, by name. */
export type Commands = Readonly<Record<string, (input: never) => unknown>>;

interface Ask {
  readonly id: number;
  readonly command: string;
  readonly input: unknown;
}

type Reply =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly problem: string };

/** In a worker: answers what the benchmark asks, and ends with it. */
export function serveCommands(commands: Commands): void {
  process.on("message", (ask: Ask) => void answer(commands, ask));
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}

async function answer(commands: Commands, { id, command, input }: Ask): Promise<void> {
  try {
    const run = commands[command];
    if (run === undefined) throw new Error(`There is no command ${command}.`);
    process.send?.({ id, output: await run(input as never) });
  } catch (error) {
    process.send?.({ id, problem: error instanceof Error ? error.stack : String(error) });
  }
}

/** A file of this folder running as a process of its own, so that it has a thread of its own. */
export class WorkerProcess<Served extends Commands> implements AsyncDisposable {
  readonly #child: ChildProcess;
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.setMaxListeners(0);
  }

  /** @param file relative to this folder */
  static async start<Served extends Commands>(
    file: string,
    args: readonly string[] = [],
  ): Promise<WorkerProcess<Served>> {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = fork(path, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const [message] = (await Promise.race([once(child, "message"), once(child, "exit")])) as [
      unknown,
    ];
    if (message !== "ready") throw new Error(`${file} did not start.`);
    return new WorkerProcess<Served>(child);
  }

  async ask<Name extends keyof Served & string>(
    command: Name,
    input: Parameters<Served[Name]>[0],
  ): Promise<Awaited<ReturnType<Served[Name]>>> {
    const id = (this.#nextId += 1);
    const reply = this.#replyTo(id);
    this.#child.send({ id, command, input });
    return (await reply) as Awaited<ReturnType<Served[Name]>>;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  #replyTo(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error("A worker exited before it answered."));
      const onReply = (reply: Reply): void => {
        if (reply.id !== id) return;
        this.#child.off("message", onReply).off("exit", onExit);
        if ("problem" in reply) reject(new Error(reply.problem));
        else resolve(reply.output);
      };
      this.#child.on("message", onReply).on("exit", onExit);
    });
  }
}
