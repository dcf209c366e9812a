import { html } from "hono/html";
import type { Markup } from "./markup.ts";

/** Tells a person the problem and the remedy. */
export interface PageProblem {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The API's name for it. */
  readonly code?: string;
}

export function problemView({ title, status, detail, code }: PageProblem): Markup {
  return html`<div class="empty">
    <h1>${title}</h1>
    <p>${detail}</p>
    <p class="quiet">${status}${code === undefined ? "" : ` · ${code}`}</p>
  </div>`;
}
