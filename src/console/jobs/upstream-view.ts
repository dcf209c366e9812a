import { html } from "hono/html";
import type { JobExplanation } from "../../api/models.ts";
import { may, type PageRequest } from "../http/page.ts";
import { status, words } from "../view/badge.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, copy, facts, pre } from "../view/parts.ts";
import { time } from "../view/time.ts";

type RawAnswer = NonNullable<JobExplanation["upstream"]["raw_answer"]>;

/** The job's connection and API. */
export function upstreamCard(explanation: JobExplanation, request: PageRequest): Markup {
  const aside = isOver(explanation) ? askNow(explanation, request) : NOTHING;
  return card("Upstream", upstreamFacts(explanation), aside);
}

/** No answer follows, and none is kept. */
function isOver({ job, upstream }: JobExplanation): boolean {
  return job.ended_at !== null && upstream.raw_answer === null;
}

/** The latest answer as it came; nothing for a job that ended before anybody looked at it. */
export function answerCard(explanation: JobExplanation, request: PageRequest): Markup {
  if (isOver(explanation)) return NOTHING;
  const { raw_answer: raw } = explanation.upstream;
  return card(
    "Last upstream answer",
    raw === null ? NO_ANSWER_YET : rawAnswer(raw),
    askNow(explanation, request),
  );
}

function upstreamFacts({ upstream, facts_from: source, as_of: asOf }: JobExplanation): Markup {
  const { connection, last_answer: answer, breaker, next_probe_at: probe } = upstream;
  const { paused_until: pausedUntil } = upstream;
  return facts([
    [
      "Connection",
      connection === null ? "deleted" : html`${connection.name} ${status(connection.state)}`,
    ],
    ["Paused because", connection?.paused_reason ?? null],
    ["API", breaker === "closed" ? "answers" : "fails, and is only probed"],
    ["Next probe", probe && time(probe)],
    ["No polls before", pausedUntil && time(pausedUntil)],
    ["Last answer", answer && time(answer.at)],
    ["HTTP status", answer?.http_status?.toString() ?? null],
    ["Outcome", answer?.outcome ? words(answer.outcome) : null],
    ["Error", answer?.error ?? null],
    ["As of", html`${time(asOf)}${source === "database" ? " (last checkpoint)" : ""}`],
  ]);
}

/** Text as it came: a body that is no JSON is often the explanation. */
function rawAnswer({ at, http_status: code, headers, body, body_bytes: bytes }: RawAnswer): Markup {
  const head = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}`),
  );
  const shownBytes = Buffer.byteLength(body);
  return html`<p><strong>HTTP ${code}</strong> <span class="quiet">${time(at)}</span></p>
    <details id="answer-headers">
      <summary>${head.length === 1 ? "1 header" : `${head.length} headers`}</summary>
      ${pre(head.join("\n"))}
    </details>
    <div class="spaced">
      ${body === "" ? html`<p class="quiet">No body.</p>` : html`${pre(body)} ${copy(body, "Copy body")}`}
    </div>
    <p class="quiet">
      ${
        shownBytes < bytes
          ? html`The first ${shownBytes.toLocaleString("en-US")} of ${bytes.toLocaleString("en-US")}
            bytes. `
          : NOTHING
      }Credentials
      are masked, cookies left out.
    </p>`;
}

const NO_ANSWER_YET = html`<p class="quiet">
  Answers are kept only while someone has the job's page open. The next poll's answer appears here.
</p>`;

/** Leads to the trial of the provider, filled in with this job. */
function askNow({ job }: JobExplanation, request: PageRequest): Markup {
  if (!may(request, "admin")) return NOTHING;
  const { links } = request;
  const path = `providers/${encodeURIComponent(job.provider)}/try`;
  const query = { kind: "job", job: job.job_id, connection: job.connection };
  return html`<a class="button" href="${links.to(path, query)}">Ask upstream…</a>`;
}
