import { html } from "hono/html";
import type { ProblemBody } from "../http/gateway-api.ts";
import { type Markup, NOTHING } from "../view/markup.ts";

/** A problem beside what it is about, with every place that is wrong. */
export function problemNotice({ detail, errors = [] }: ProblemBody): Markup {
  const places = errors.map(
    ({ pointer = "", detail: what }) =>
      html`<li><code>${pointer === "" ? "/" : pointer}</code> ${what}</li>`,
  );
  return html`<div class="notice bad" role="alert">
    <p>${detail}</p>
    ${
      places.length === 0
        ? NOTHING
        : html`<ul>
            ${places}
          </ul>`
    }
  </div>`;
}
