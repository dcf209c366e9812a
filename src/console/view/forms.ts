import { html, raw } from "hono/html";
import { type Markup, NOTHING } from "./markup.ts";

/** The hidden field that shows that a form is one of this session's pages. */
export const CSRF_FIELD = "csrf";

interface ActionForm {
  /** Where it is sent. */
  readonly to: string;
  readonly csrfToken: string;
  readonly label: string;
  readonly fields?: Markup;
  readonly tone?: "main" | "danger" | "plain";
}

/** A button that changes something at once. */
export function actionButton({ to, csrfToken, label, fields, tone = "plain" }: ActionForm): Markup {
  return html`<form method="post" action="${to}">
    <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
    ${fields ?? NOTHING}
    <button class="${tone}">${label}</button>
  </form>`;
}

/** Fields below one another that are sent together. */
export function fieldsForm({ to, csrfToken, label, fields }: ActionForm): Markup {
  return html`<form class="fields" method="post" action="${to}">
    <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
    ${fields ?? NOTHING}
    <button class="main">${label}</button>
  </form>`;
}

/**
 * A button that first asks: it opens the question, in which a second button acts. Works without scripts.
 * @param id unique on the page, so that an open question stays open when the page is read again
 */
export function confirmButton(
  form: ActionForm & { readonly id: string; readonly question: string; readonly confirm: string },
): Markup {
  const { id, label, question, confirm, tone = "danger" } = form;
  return html`<details class="confirm" id="${id}">
    <summary class="button ${tone}">${label}</summary>
    <div class="question">
      <p>${question}</p>
      ${actionButton({ ...form, label: confirm, tone })}
    </div>
  </details>`;
}

/** A choice of a filter; the first option is for all. */
export function select(
  name: string,
  label: string,
  options: readonly { readonly value: string; readonly text: string }[],
  chosen: string,
): Markup {
  return html`<label>
    <span>${label}</span>
    <select name="${name}">
      ${options.map(
        ({ value, text }) =>
          html`<option value="${value}" ${value === chosen ? "selected" : ""}>${text}</option>`,
      )}
    </select>
  </label>`;
}

export function textField(
  name: string,
  label: string,
  value: string,
  options: {
    readonly placeholder?: string;
    readonly type?: string;
    readonly isWide?: boolean;
  } = {},
): Markup {
  const { placeholder = "", type = "text", isWide = false } = options;
  return html`<label class="${isWide ? "wide" : ""}">
    <span>${label}</span>
    <input
      type="${type}"
      name="${name}"
      value="${value}"
      placeholder="${placeholder}"
      autocomplete="off"
      spellcheck="false"
    />
  </label>`;
}

/** A field for text of several lines. */
export function textArea(
  name: string,
  label: string,
  value: string,
  { placeholder = "", rows = 4 }: { readonly placeholder?: string; readonly rows?: number } = {},
): Markup {
  return html`<label>
    <span>${label}</span>
    ${raw(`<textarea rows="${rows}"`)} name="${name}" placeholder="${placeholder}"
    spellcheck="false" autocomplete="off" >${value}${raw("</textarea>")}
  </label>`;
}
