import { html } from "hono/html";
import { ApiProblem, type GatewayApi } from "../http/gateway-api.ts";
import type { JobExplanation } from "../http/models.ts";
import type { PageRequest } from "../http/page.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card } from "../view/parts.ts";

/** Larger results are there to be saved. */
const SHOWN_BYTES_MAX = 256 * 1024;

/** The result of a job that has completed: as a tree if it is small enough, in any case to be saved. */
export async function resultView({ job }: JobExplanation, request: PageRequest): Promise<Markup> {
  const { api, links } = request;
  const event = job.last_event_id;
  if (job.status !== "completed" || event === null) return NOTHING;
  const response = await resultOf(event, api);
  if (response === null) return NOTHING;
  const save = html`<a
    class="button"
    href="${links.to(`results/${event}`)}"
    download
    hx-boost="false"
    >Download</a
  >`;
  return card("Result", await shownOf(response), save);
}

/** Null for a job that completed without one. */
async function resultOf(event: string, api: GatewayApi): Promise<Response | null> {
  try {
    return await api.stream(`/v1/events/${event}/result`);
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}

async function shownOf(response: Response): Promise<Markup> {
  const type = response.headers.get("content-type") ?? "";
  const bytes = Number(response.headers.get("content-length") ?? 0);
  if (type.startsWith("application/json") && bytes <= SHOWN_BYTES_MAX) {
    return jsonView(await response.text());
  }
  await response.body?.cancel();
  return html`<p class="quiet">
    ${bytes.toLocaleString("en-US")} bytes of ${type}: to be downloaded.
  </p>`;
}
