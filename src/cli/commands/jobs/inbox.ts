import { EXIT, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { shown } from "../../frame/output.ts";
import { runCommand } from "../../frame/run.ts";
import { wholeNumberFrom } from "../../frame/values.ts";
import { subjectOf } from "../../listen/exchanges.ts";

interface ReadFlags extends GatewayFlags {
  readonly consumer?: string;
  readonly ack?: boolean;
  readonly limit: number;
}

const LIMIT_MAX = 100;

export const inboxCommand: AddCommand = (parent, commands) => {
  const { cli } = commands;
  const inbox = parent
    .command("inbox")
    .description("read the events that subscriptions keep in inboxes");

  withGateway(inbox.command("read <name>"))
    .description("print the next messages; ringback list inboxes shows which inboxes there are")
    .option("--consumer <name>", "go on where this consumer has acknowledged")
    .option("--ack", "acknowledge them for the consumer once they are printed")
    .option("--limit <n>", "at most so many", wholeNumberFrom(1, LIMIT_MAX), LIMIT_MAX)
    .action(async (name: string, flags: ReadFlags) => {
      commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
        const { consumer, limit } = flags;
        const { ringback } = await openGateway(cli, flags);
        const query = { limit, ...(consumer !== undefined && { consumer }) };
        const page = await ringback.inboxes.messages(name, query, { signal });
        for (const message of page.data) {
          const { type, jobId } = subjectOf(message);
          if (out.isJson) out.printJson(message);
          else out.print(shown(`${message.webhook_id}  ${type}  ${jobId ?? ""}`));
        }
        await out.flush();
        if (flags.ack === true && consumer !== undefined && page.data.length > 0) {
          await ringback.inboxes.ack(name, consumer, page.cursor, { signal });
        }
        if (!page.done) out.note("There are more.");
        return EXIT.done;
      });
    });

  withGateway(inbox.command("delete <name>"))
    .description("delete an inbox with its messages")
    .action(async (name: string, flags: GatewayFlags) => {
      commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
        const { ringback } = await openGateway(cli, flags);
        await ringback.inboxes.delete(name, { signal });
        if (out.isJson) out.printJson({ deleted: name });
        else out.print(`The inbox ${name} is deleted.`);
        return EXIT.done;
      });
    });
};
