import { html } from "hono/html";
import type { ProviderTrial } from "../../api/models.ts";
import { badge, type Tone, words } from "../view/badge.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, facts, pre, table } from "../view/parts.ts";

type Steps = NonNullable<ProviderTrial["steps"]>;

/** The findings of a trial: the consequence first, then each rule, and each value with its place. */
export function trialView({
  consequence,
  steps,
  submission,
  failure,
  answer,
  asked,
}: ProviderTrial): Markup {
  return html`<div class="why spaced" role="status"><p class="summary">${consequence}</p></div>
    ${failure === null ? NOTHING : html`<p class="error">${failure}</p>`}
    ${submission === null ? NOTHING : card("The job that was submitted", submissionFacts(submission))}
    ${steps === null ? NOTHING : stepCards(steps)}
    ${
      answer === null
        ? NOTHING
        : card(
            "What the upstream answered",
            html`${pre(`${asked?.method} ${asked?.url}\nHTTP ${answer.status}`)} ${pre(answer.body)}`,
          )
    }`;
}

function submissionFacts(of: NonNullable<ProviderTrial["submission"]>): Markup {
  return facts([
    ["Job id", of.job_id],
    ["Params", Object.keys(of.params).length === 0 ? null : JSON.stringify(of.params)],
    ["Recognized by", of.recognized_by],
  ]);
}

const OUTCOMES: Readonly<Record<Steps["rules"][number]["outcome"], readonly [string, Tone]>> = {
  matched: ["matches", "good"],
  did_not_match: ["no", "plain"],
  not_tried: ["not tried", "plain"],
};

function stepCards({ rules, extracted, body, observation, steps, decided_by: by }: Steps): Markup {
  return html`${card(
    "Rules, in their order",
    html`${table(
      "Rules, in their order",
      [
        {
          title: "Decision",
          cell: ({ outcome }) => badge(...OUTCOMES[outcome]),
        },
        { title: "Rule", cell: ({ rule }) => html`<code>${rule}</code>` },
        { title: "Means", cell: ({ observe }) => words(observe) },
        { title: "Why", cell: ({ why, note }) => why ?? note ?? "" },
      ],
      rules.map((one) => Object.assign({ id: one.rule }, one)),
    )}
    ${by === null ? html`<p class="quiet spaced">No rule matches, so HTTP's own meaning applies.</p>` : NOTHING}`,
  )}
  ${card(
    "Found",
    html`${table(
      "Found values",
      [
        { title: "For", cell: ({ field }) => html`<code>${field}</code>` },
        {
          title: "At",
          cell: ({ found_at: at }) =>
            at === null
              ? html`<span class="quiet">nowhere</span>`
              : html`<code>${at === "" ? "the top" : at}</code>`,
        },
        {
          title: "Value",
          cell: ({ value }) => (value === null ? "" : html`<code>${value}</code>`),
        },
      ],
      extracted.map((one) => Object.assign({ id: one.field }, one)),
    )}`,
  )}
  ${card(
    "Reading",
    facts([
      ["Body", `${body.bytes} bytes, ${body.is_json ? "JSON" : (body.why ?? "no JSON")}`],
      ["Observation", html`<code>${JSON.stringify(observation)}</code>`],
      ["Steps", `${steps.used} of ${steps.max}`],
    ]),
  )}`;
}
