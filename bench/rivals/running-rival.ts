import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { findPostgres } from "../found-postgres.ts";
import { createTemporaryDirectory } from "../temporary-directory.ts";
import { WorkerProcess } from "../worker-process.ts";
import type { Rival, RivalCommands, RivalSetting, RivalWork } from "./rival.ts";

const log = { info: () => undefined, warn: console.error, error: console.error };

/** A rival's program on a Postgres of its own, of the kind and with the settings that the gateway has. */
export class RunningRival implements AsyncDisposable {
  readonly pid: number;
  readonly postgresPid: number;
  readonly #program: WorkerProcess<RivalCommands>;
  readonly #cleanUp: AsyncDisposableStack;

  private constructor(
    program: WorkerProcess<RivalCommands>,
    postgresPid: number,
    cleanUp: AsyncDisposableStack,
  ) {
    this.pid = program.pid;
    this.postgresPid = postgresPid;
    this.#program = program;
    this.#cleanUp = cleanUp;
  }

  /** All jobs are in its queue then, and it is at rest. */
  static async start(
    { program: file }: Pick<Rival, "program">,
    work: Omit<RivalWork, "databaseUrl">,
  ): Promise<RunningRival> {
    await using cleanUp = new AsyncDisposableStack();
    const directory = cleanUp.use(await createTemporaryDirectory());
    const dataDir = join(directory.path, "data");
    const postgres = await startEmbeddedPostgres({ dataDir, log });
    cleanUp.defer(() => postgres.stop());
    const program = await WorkerProcess.start<RivalCommands>(file);
    cleanUp.use(program);
    await program.ask("prepare", { ...work, databaseUrl: postgres.url });
    const { pid } = await findPostgres(dataDir);
    return new RunningRival(program, pid, cleanUp.move());
  }

  resume(setting: RivalSetting): Promise<void> {
    return this.#program.ask("resume", setting);
  }

  pause(): Promise<void> {
    return this.#program.ask("pause", undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp[Symbol.asyncDispose]();
  }
}
