import { html } from "hono/html";
import type { Project } from "../../api/models.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  type PageRequest,
  redirect,
} from "../http/page.ts";
import { words } from "../view/badge.ts";
import { fieldsForm, textField } from "../view/forms.ts";
import type { Markup } from "../view/markup.ts";
import { card, facts, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

/** A limit of which more is used is marked. */
const NEARLY_USED = 0.8;

/** The project's limits and use, and its own settings. */
export const projectPage = definePage({
  path: "/project",
  scope: "admin",
  async show(request) {
    const project = await request.api.get<Project>("/v1/project");
    return {
      kind: "page",
      title: "Project",
      section: "project",
      body: html`<header class="title"><h1>Project ${project.name}</h1></header>
        <div class="columns">
          <div>
            ${card("Project", projectFacts(project))}
            ${card("Settings", settingsForm(project, request))}
          </div>
          <div>${card("Limits", limitTable(project))}</div>
        </div>`,
    };
  },
});

export const changeProject = defineAction({
  path: "/project/change",
  scope: "admin",
  back: () => "project",
  async act({ api, form }) {
    await api.send("PATCH", "/v1/project", {
      live_jobs_max: numberIn(form, "live_jobs_max"),
      callback_concurrency: numberIn(form, "callback_concurrency"),
      callback_requests_per_second: numberIn(form, "callback_requests_per_second"),
      retry_schedule_s: numbersIn(form, "retry_schedule_s"),
      operations_url: textIn(form, "operations_url"),
      frame_ancestors: textIn(form, "frame_ancestors")?.split(/[\s,]+/) ?? null,
    });
    return redirect("project", "The settings are saved, and hold from now on.");
  },
});

function projectFacts({ id, created_at: createdAt, live_jobs: live }: Project): Markup {
  return facts([
    ["Id", mono(id, { isCopied: true })],
    ["Created", time(createdAt)],
    ["Live jobs", live.toLocaleString("en-US")],
  ]);
}

function limitTable({ limits }: Project): Markup {
  const rows = Object.entries(limits).map(([id, { used, allowed }]) => ({ id, used, allowed }));
  return table(
    "Limits of the project",
    [
      { title: "Limit", cell: ({ id }) => words(id) },
      { title: "Used", isNumber: true, cell: usedOf },
      { title: "Allowed", isNumber: true, cell: ({ id, allowed }) => amount(id, allowed) },
    ],
    rows,
  );
}

interface Use {
  readonly id: string;
  readonly used: number | null;
  readonly allowed: number;
}

/** Bytes in the unit that people count them in. */
function amount(limit: string, value: number): string {
  if (!limit.endsWith("bytes") || value < 1024) return value.toLocaleString("en-US");
  const power = Math.min(BYTE_UNITS.length, Math.floor(Math.log2(value) / 10));
  const inUnit = value / 1024 ** power;
  return `${inUnit.toLocaleString("en-US", { maximumFractionDigits: 1 })} ${BYTE_UNITS[power - 1]}`;
}

const BYTE_UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

function usedOf({ id, used, allowed }: Use): Markup {
  if (used === null) return html`<span class="quiet">–</span>`;
  const text = amount(id, used);
  return used > 0 && used >= allowed * NEARLY_USED
    ? html`<strong class="error">${text}</strong>`
    : html`${text}`;
}

function settingsForm(project: Project, { links, csrfToken }: PageRequest): Markup {
  const number = { type: "number", placeholder: "the gateway's" } as const;
  const shown = (value: number | null): string => (value === null ? "" : String(value));
  return fieldsForm({
    to: links.to("project/change"),
    csrfToken,
    label: "Save",
    fields: html`${textField("live_jobs_max", "Live jobs at most", shown(project.live_jobs_max), number)}
      ${textField(
        "callback_concurrency",
        "Callbacks at once to one origin",
        shown(project.callback_concurrency),
        number,
      )}
      ${textField(
        "callback_requests_per_second",
        "Callbacks a second to one origin",
        shown(project.callback_requests_per_second),
        { placeholder: "the gateway's" },
      )}
      ${textField(
        "retry_schedule_s",
        "Seconds between attempts, separated by commas",
        project.retry_schedule_s?.join(", ") ?? "",
        { placeholder: "the gateway's" },
      )}
      ${textField("operations_url", "URL for operational events", project.operations_url ?? "", {
        type: "url",
        placeholder: "https://app.example.com/hooks/operations",
      })}
      ${textField(
        "frame_ancestors",
        "Origins that may frame console links, separated by spaces",
        project.frame_ancestors?.join(" ") ?? "",
        { placeholder: "none" },
      )}
      <p class="quiet">An empty field means the gateway's setting.</p>`,
  });
}

type Form = ActionRequest["form"];

/** Null for an empty field. */
function textIn(form: Form, field: string): string | null {
  const text = (form.get(field) ?? "").trim();
  return text === "" ? null : text;
}

/** Text that is not a number goes on unchanged, for the API to refuse. */
function numberIn(form: Form, field: string): number | string | null {
  const text = textIn(form, field);
  return text === null ? null : numberOr(text);
}

function numbersIn(form: Form, field: string): (number | string)[] | null {
  const text = textIn(form, field);
  return text === null ? null : text.split(",").map((part) => numberOr(part.trim()));
}

function numberOr(text: string): number | string {
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}
