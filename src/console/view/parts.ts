import { html, raw } from "hono/html";
import { type Markup, NOTHING } from "./markup.ts";

/** A long text in the middle of which is left out on screen; whole on hover, and when it is copied. */
export function mono(text: string, { isCopied = false } = {}): Markup {
  return html`<span class="mono" title="${text}">${text}</span>${isCopied ? copy(text) : NOTHING}`;
}

/** Shown where scripts run. */
export function copy(text: string, label = "Copy"): Markup {
  return html`<button class="copy scripted-only" type="button" data-copy="${text}">
    ${label}
  </button>`;
}

/** Text with its own line breaks. */
export function pre(text: string): Markup {
  return html`${raw('<pre tabindex="0">')}${text}${raw("</pre>")}`;
}

/** A command to paste into a shell, or any other text to paste elsewhere. */
export function command(text: string, label = "Copy command"): Markup {
  return html`<div class="command">${pre(text)}${copy(text, label)}</div>`;
}

export function card(title: string, body: Markup, aside: Markup = NOTHING): Markup {
  return html`<section class="card">
    <header>
      <h2>${title}</h2>
      ${aside}
    </header>
    ${body}
  </section>`;
}

/** Names and values, in the order given; those without a value are left out. */
export function facts(
  rows: readonly (readonly [name: string, value: Markup | string | null])[],
): Markup {
  return html`<dl class="facts">
    ${rows
      .filter(([, value]) => value !== null)
      .map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
  </dl>`;
}

/** Shown in place of an empty list: the reason, and how to change it. */
export function emptyState(title: string, body: Markup): Markup {
  return html`<div class="empty">
    <h2>${title}</h2>
    ${body}
  </div>`;
}

/** So few columns have room on a phone. */
const NARROW_COLUMNS_MAX = 3;

export interface Column<Row> {
  readonly title: string;
  readonly isNumber?: boolean;
  readonly cell: (row: Row) => Markup | string;
}

/**
 * On a phone each row is a card. The roles are explicit because browsers drop those of a table that is
 * laid out as blocks.
 * @param caption what the rows are, for those who don't see them
 * @param rows each with an id, by which a row is known again when the page is read again
 */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly (Row & { readonly id: string })[],
): Markup {
  const width = columns.length > NARROW_COLUMNS_MAX ? "wide-table" : "narrow";
  return html`<div class="scroll ${width}" tabindex="0" role="region" aria-label="${caption}">
    <table role="table">
      <caption class="unseen">
        ${caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map(
            ({ title, isNumber = false }) =>
              html`<th scope="col" role="columnheader" class="${isNumber ? "number" : ""}">
                ${title}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          (row) =>
            html`<tr id="row-${row.id}" role="row" data-row>
              ${columns.map((column) => tableCell(column, row))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function tableCell<Row>({ title, isNumber = false, cell }: Column<Row>, row: Row): Markup {
  const content = cell(row);
  // On a phone, a cell without content is left out with its title.
  const isEmpty = !(content instanceof Promise) && content.trim() === "";
  return html`<td
    role="cell"
    class="${isNumber ? "number" : ""} ${isEmpty ? "none" : ""}"
    data-title="${title}"
  >
    ${content}
  </td>`;
}

/** Leads from one page of a list to the next. */
export function pager(links: {
  readonly first: string | null;
  readonly next: string | null;
}): Markup {
  const { first, next } = links;
  if (first === null && next === null) return NOTHING;
  return html`<nav class="pager" aria-label="Pages">
    ${first === null ? NOTHING : html`<a class="button" href="${first}">Newest</a>`}
    ${next === null ? NOTHING : html`<a class="button" href="${next}" rel="next">Older</a>`}
  </nav>`;
}
