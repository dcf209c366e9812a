import { html } from "hono/html";
import type { JsonPath } from "../../core/json/raw-json.ts";
import { ApiProblem, type GatewayApi } from "../http/gateway-api.ts";
import type { JobExplanation, ResultPart } from "../../api/models.ts";
import type { PageRequest } from "../http/page.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card } from "../view/parts.ts";

/** The result of a job that has completed: as a tree if it is small enough, else a way to its parts. */
export async function resultView({ job }: JobExplanation, request: PageRequest): Promise<Markup> {
  const { api, links } = request;
  const event = job.last_event_id;
  if (job.status !== "completed" || event === null) return NOTHING;
  const part = await resultPart(event, 1, api);
  if (part === null) return NOTHING;
  return card("Result", resultBody(event, part, request), downloadLink(event, links));
}

function resultBody(event: string, part: ResultPart, { links }: PageRequest): Markup {
  const whole = wholeJson(part);
  if (whole !== null) {
    return jsonView(whole, { linkTo: (at, from) => links.to(...placeIn(event, at, from)) });
  }
  const size = html`${part.result_bytes.toLocaleString("en-US")} bytes of ${part.content_type}`;
  return part.text === null
    ? html`<p class="quiet">${size}: to be downloaded.</p>`
    : html`<p>
        <span class="quiet">${size}.</span>
        <a class="button" href="${links.to(`results/${event}/view`)}">Read by part</a>
      </p>`;
}

/** The address of a value of a result, as arguments of `Links.to`. */
export function placeIn(
  event: string,
  at: JsonPath,
  from: number,
): [path: string, query: Readonly<Record<string, string>>] {
  return [`results/${event}/view`, { at: JSON.stringify(at), from: String(from) }];
}

export function downloadLink(event: string, links: PageRequest["links"]): Markup {
  return html`<a class="button" href="${links.to(`results/${event}`)}" download hx-boost="false"
    >Download</a
  >`;
}

/** The text of a result that is JSON and small enough for one part. */
export function wholeJson({ number, has_more: hasMore, content_type: type, text }: ResultPart) {
  const isWhole = number === 1 && !hasMore;
  return isWhole && type.startsWith("application/json") ? text : null;
}

/** Null for an event without a result, and for a part that does not exist. */
export async function resultPart(
  event: string,
  number: number,
  api: GatewayApi,
): Promise<ResultPart | null> {
  try {
    return await api.get<ResultPart>(`/v1/events/${event}/result-part`, { number });
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}
