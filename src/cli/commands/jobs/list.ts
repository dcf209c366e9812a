import { Argument } from "commander";
import { sliceRawJson } from "../../../core/json/raw-json.ts";
import type { Page, ReadAnswer } from "../../../client/ringback.ts";
import { EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { clockTime, shown, textTable } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { pairsFrom, wholeNumberFrom } from "../../frame/values.ts";

interface ListFlags extends GatewayFlags {
  readonly status?: string;
  readonly job?: string;
  readonly provider?: string;
  readonly filter?: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly all?: boolean;
}

/** A resource of the API, with what of it fits on a line. A column is a member, or a member of a member. */
interface Listed {
  readonly path: string;
  readonly columns: readonly (readonly [heading: string, member: string])[];
  /** It comes as a whole. */
  readonly isWhole?: true;
}

const LISTED = {
  subscriptions: {
    path: "/v1/subscriptions",
    columns: [
      ["id", "id"],
      ["status", "status"],
      ["job", "job_id"],
      ["provider", "provider"],
      ["goes to", "callback_url|inbox"],
      ["created", "created_at"],
    ],
  },
  jobs: {
    path: "/v1/jobs",
    columns: [
      ["id", "id"],
      ["status", "status"],
      ["job", "job_id"],
      ["provider", "provider"],
      ["polls", "poll_count"],
      ["waits for", "waiting_for"],
      ["created", "created_at"],
    ],
  },
  deliveries: {
    path: "/v1/deliveries",
    columns: [
      ["id", "id"],
      ["status", "status"],
      ["event", "event_type"],
      ["goes to", "callback_origin|inbox"],
      ["attempts", "attempt_count"],
      ["waits for", "waiting_for"],
      ["created", "created_at"],
    ],
  },
  events: {
    path: "/v1/events",
    columns: [
      ["id", "id"],
      ["type", "type"],
      ["job", "data/job_id"],
      ["provider", "data/provider"],
      ["at", "timestamp"],
    ],
  },
  inboxes: {
    path: "/v1/inboxes",
    columns: [
      ["name", "name"],
      ["unread bytes", "unread_bytes"],
      ["last message", "last_message_at"],
      ["created", "created_at"],
    ],
  },
  connections: {
    path: "/v1/connections",
    columns: [
      ["id", "id"],
      ["provider", "provider"],
      ["name", "name"],
      ["state", "state"],
      ["why", "paused_reason"],
    ],
  },
  providers: {
    path: "/v1/providers",
    isWhole: true,
    columns: [
      ["name", "name"],
      ["title", "title"],
      ["source", "source"],
    ],
  },
  origins: {
    path: "/v1/callback-origins",
    columns: [
      ["origin", "origin"],
      ["state", "state"],
      ["pending", "pending_deliveries"],
      ["next probe", "next_probe_at"],
      ["last error", "last_error/code"],
    ],
  },
  redeliveries: {
    path: "/v1/redeliveries",
    columns: [
      ["id", "id"],
      ["state", "state"],
      ["matched", "matched"],
      ["redelivered", "redelivered"],
      ["skipped", "skipped"],
      ["created", "created_at"],
    ],
  },
} as const satisfies Readonly<Record<string, Listed>>;

type ListedName = keyof typeof LISTED;

/** As many as the API gives in a page. */
const LIMIT_MAX = 100;
const LIMIT = 20;

export const listCommand: AddCommand = (parent, commands) => {
  withGateway(parent.command("list"))
    .description("list subscriptions, or other resources, newest first")
    .addArgument(
      new Argument("[what]", "what to list").choices(Object.keys(LISTED)).default("subscriptions"),
    )
    .option("--status <status>", "only those in this status")
    .option("--job <job>", "only those of this job, as its provider names it")
    .option("--provider <name>", "only those of this provider")
    .option("--filter <name=value>", "any other filter of the API", pairsFrom)
    .option("--limit <n>", "at most so many", wholeNumberFrom(1, LIMIT_MAX), LIMIT)
    .option("--all", "all there are, page by page")
    .action(async (what: ListedName, flags: ListFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        list(LISTED[what], flags, run),
      );
    });
};

async function list(
  of: Listed,
  flags: ListFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { ringback } = await openGateway(cli, flags);
  const { status, job, provider, filter, all = false } = flags;
  const limit = all ? LIMIT_MAX : flags.limit;
  let cursor: string | null = null;
  let rows = 0;
  do {
    const paging = of.isWhole === true ? {} : { limit, cursor };
    const query = { status, job_id: job, provider, ...filter, ...paging };
    const spec = { method: "GET", path: of.path, query } as const;
    const answer: ReadAnswer<Page<Item>> = await ringback.read(spec, { signal });
    const { value: page, text } = answer;
    if (out.isJson) {
      // As the gateway wrote them, digit by digit.
      for (const index of page.data.keys())
        out.printJson(sliceRawJson(text, ["data", index]) ?? "");
    } else if (page.data.length > 0) {
      out.print(tableOf(of, page.data, rows === 0));
    }
    rows += page.data.length;
    cursor = page.next_cursor;
    await out.flush();
  } while (all && cursor !== null && !signal.aborted);
  signal.throwIfAborted();
  if (rows === 0 && !out.isJson) out.note("There are none.");
  if (cursor !== null && out.isInteractive) out.note("There are more: --all, or a larger --limit.");
  return EXIT.done;
}

type Item = Readonly<Record<string, unknown>>;

function tableOf({ columns }: Listed, items: readonly Item[], withHeading: boolean): string {
  const rows = items.map((item) => columns.map(([, member]) => cellOf(item, member)));
  return textTable(withHeading ? [columns.map(([heading]) => heading), ...rows] : rows);
}

/** @param member `a|b` for the first that is there, `a/b` for a member of a member */
function cellOf(item: Item, member: string): string {
  const value = member
    .split("|")
    .map((path) => path.split("/").reduce<unknown>((of, name) => memberOf(of, name), item))
    .find((found) => found !== null && found !== undefined);
  if (value === undefined) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return member.endsWith("_at") || member === "timestamp" ? clockTime(text) : shown(text);
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Item)[name];
}
