import type { JobExplanation, ReadAnswer, Ringback } from "../../../client/ringback.ts";
import { path } from "../../../client/transport.ts";
import { EXIT, type AddCommand } from "../../frame/cli.ts";
import { openGateway } from "../../frame/gateway.ts";
import { ago, clockTime, type Output, shown } from "../../frame/output.ts";
import { runCommand } from "../../frame/run.ts";
import { type NamedJobFlags, withNamedJob } from "./named-job.ts";

type ExplainedSubscription = JobExplanation["subscriptions"][number];
type ExplainedDelivery = ExplainedSubscription["deliveries"][number];

const JOB_ID = /^job_[0-9a-f]{32}$/;
const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;

export const whyCommand: AddCommand = (parent, commands) => {
  withNamedJob(parent.command("why"))
    .description("explain why a callback has not arrived, and what to do")
    .argument("<job>", "id of the job, as its provider gave it, or job_… or sub_…")
    .action(async (job: string, flags: NamedJobFlags) => {
      const { cli } = commands;
      commands.exitCode = await runCommand(cli, flags, async ({ out, signal }) => {
        const { ringback } = await openGateway(cli, flags);
        const { value: explanation, text } = await explain(ringback, job, flags, signal);
        if (out.isJson) out.printJson(text);
        else out.print(explanationLines(explanation, out).join("\n"));
        return EXIT.done;
      });
    });
};

async function explain(
  ringback: Ringback,
  job: string,
  { provider, connection }: NamedJobFlags,
  signal: AbortSignal,
): Promise<ReadAnswer<JobExplanation>> {
  if (SUBSCRIPTION_ID.test(job)) {
    const { job: watched } = await ringback.subscriptions.get(job, { signal });
    return explainById(ringback, watched.id, signal);
  }
  if (JOB_ID.test(job)) return explainById(ringback, job, signal);
  const query = { job_id: job, provider, connection };
  return ringback.read({ method: "GET", path: "/v1/jobs/explain", query }, { signal });
}

function explainById(
  ringback: Ringback,
  id: string,
  signal: AbortSignal,
): Promise<ReadAnswer<JobExplanation>> {
  return ringback.read({ method: "GET", path: path`/v1/jobs/${id}/explain` }, { signal });
}

function explanationLines(explanation: JobExplanation, out: Output): string[] {
  const { job, summary, action, subscriptions, facts_from: from, as_of: asOf } = explanation;
  const { provider, connection, status, id, job_id: jobId } = job;
  return [
    `${out.paint("bold", shown(jobId))} at ${provider}/${connection}: ${status}  (${id})`,
    "",
    shown(summary),
    `${out.paint("cyan", "→")} ${shown(action)}`,
    "",
    ...upstreamLines(explanation),
    ...subscriptions.flatMap((subscription) => subscriptionLines(subscription, asOf, out)),
    ...(explanation.has_more_subscriptions ? ["", "There are more subscriptions to it."] : []),
    ...(from === "database"
      ? ["", "The node that polls the job did not answer in time: as last written down."]
      : []),
  ];
}

function upstreamLines({ job, upstream, as_of: asOf }: JobExplanation): string[] {
  const { last_answer: last, breaker, paused_until: paused, connection } = upstream;
  const answer =
    last === null
      ? "not asked yet"
      : [
          `asked ${ago(last.at, asOf)}`,
          last.http_status === null ? null : `HTTP ${last.http_status}`,
          last.outcome,
          last.error,
        ]
          .filter((part) => part !== null)
          .join(", ");
  const polls = `${job.poll_count} ${job.poll_count === 1 ? "poll" : "polls"}`;
  const next = job.next_poll_at === null ? "" : `; next one ${ago(job.next_poll_at, asOf)}`;
  return [
    `Upstream: ${shown(answer)}; ${polls} so far${next}`,
    ...(breaker === "closed"
      ? []
      : [`  It fails, and is asked again ${ago(upstream.next_probe_at, asOf)}.`]),
    ...(paused === null ? [] : [`  It refuses the rate; it is asked again ${ago(paused, asOf)}.`]),
    ...(connection?.state === "paused"
      ? [`  The connection ${connection.name} is paused: ${shown(connection.paused_reason ?? "")}`]
      : []),
  ];
}

function subscriptionLines(of: ExplainedSubscription, asOf: string, out: Output): string[] {
  const { subscription, summary, action, waiting_for: wait, not_before: notBefore } = of;
  const target = subscription.callback_url ?? `inbox ${subscription.inbox}`;
  const waits =
    wait === null
      ? []
      : [`  Waits for: ${wait}${notBefore === null ? "" : `, until ${ago(notBefore, asOf)}`}`];
  return [
    "",
    `${subscription.id} → ${shown(target)}: ${out.paint("bold", subscription.status)}`,
    `  ${shown(summary)}`,
    `  ${out.paint("cyan", "→")} ${shown(action)}`,
    ...waits,
    ...of.deliveries.flatMap((delivery) => deliveryLines(delivery)),
  ];
}

function deliveryLines({ id, event_type: type, status, attempts }: ExplainedDelivery): string[] {
  return [
    `  ${id}  ${type}: ${status}`,
    ...attempts.map((attempt) => {
      const { number, http_status: http, duration_ms: ms, error_code: code } = attempt;
      const answered = http === null ? "no answer" : `HTTP ${http}`;
      const excerpt = attempt.response_excerpt ?? attempt.error_message ?? "";
      const shownExcerpt =
        excerpt === "" ? "" : `  ${shown(excerpt).replaceAll(/\s+/g, " ").slice(0, 100)}`;
      const failed = code === null ? "" : `  ${code}`;
      return `    ${number}. ${clockTime(attempt.started_at)}  ${answered}  ${ms} ms${failed}${shownExcerpt}`;
    }),
  ];
}
