import { type Scope, SCOPES } from "../../../core/scopes.ts";
import { EXIT, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { clockTime, shown, textTable } from "../../frame/output.ts";
import { runCommand } from "../../frame/run.ts";
import { momentAhead, someFrom } from "../../frame/values.ts";

export const keyCommand: AddCommand = (parent, commands) => {
  const key = parent.command("key").description("manage the API keys of a project");

  addList(key, commands);
  addCreate(key, commands);
  addRevoke(key, commands);
};

const addList: AddCommand = (key, commands) => {
  const { cli } = commands;
  withGateway(key.command("list"))
    .description("show all of them; the keys themselves are not kept")
    .action(async (flags: GatewayFlags) => {
      commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
        const { ringback } = await openGateway(cli, flags);
        const rows = [];
        for await (const of of ringback.apiKeys.list(undefined, { signal })) {
          if (out.isJson) out.printJson(of);
          const { id, name, scopes, created_at: at, expires_at: expires } = of;
          const until = expires === null ? "-" : clockTime(expires);
          rows.push([id, shown(name), scopes.join(","), clockTime(at), until]);
        }
        if (!out.isJson)
          out.print(textTable([["id", "name", "scopes", "created", "expires"], ...rows]));
        return EXIT.done;
      });
    });
};

const addCreate: AddCommand = (key, commands) => {
  const { cli } = commands;
  withGateway(key.command("create <name>"))
    .description("make a key and print it, once")
    .option(
      "--scopes <scopes>",
      `between commas: ${SCOPES.join(", ")} (admin unless given)`,
      someFrom(SCOPES),
    )
    .option(
      "--expires <time>",
      "when it ends, or after how long, such as 30d",
      momentAhead(() => Date.now()),
    )
    .action(
      async (
        name: string,
        flags: GatewayFlags & { readonly scopes?: Scope[]; readonly expires?: string },
      ) => {
        commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
          const { ringback } = await openGateway(cli, flags);
          const { scopes = ["admin"], expires } = flags;
          const request = { name, scopes, ...(expires !== undefined && { expires_at: expires }) };
          const made = await ringback.apiKeys.create(request, { signal });
          if (out.isJson) out.printJson(made);
          else {
            out.note(`${made.id} (${made.scopes.join(", ")}), shown this once:`);
            out.print(made.key);
          }
          return EXIT.done;
        });
      },
    );
};

const addRevoke: AddCommand = (key, commands) => {
  const { cli } = commands;
  withGateway(key.command("revoke <id>"))
    .description("end a key (key_…) at once")
    .action(async (id: string, flags: GatewayFlags) => {
      commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
        const { ringback } = await openGateway(cli, flags);
        await ringback.apiKeys.revoke(id, { signal });
        if (out.isJson) out.printJson({ revoked: id });
        else out.print(`${id} is revoked.`);
        return EXIT.done;
      });
    });
};
