import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { html, raw } from "hono/html";
import { pageHeaders } from "../runtime/page-headers.ts";

/** The result of `html`: text in which every interpolated value is escaped. */
export type Markup = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #363c47); --soft: light-dark(#f5f6f8, #1c2027);
  --ink: light-dark(#1d2230, #e6e9ef); --paper: light-dark(#fff, #13161b); --good: light-dark(#136c3a, #57cf8d);
  --bad: light-dark(#a8201a, #ff8a80); --quiet: light-dark(#5c6470, #9aa3b0); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p { margin: .5rem 0; }
a { color: inherit; }
.quiet { color: var(--quiet); }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
article header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
summary { cursor: pointer; color: var(--quiet); }
pre { margin: .5rem 0; padding: .75rem; overflow: auto; max-height: 24rem; background: var(--soft);
  border-radius: 6px; font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); }
`;

// Reads anew every two seconds, but not while somebody has a callback open or text selected.
const REFRESH = `setInterval(() => {
  const reading = document.querySelector("details[open]") || !getSelection().isCollapsed;
  if (!reading && !document.hidden) location.reload();
}, 2000);`;

// Raw, for white space inside the elements would change their hashes.
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);
const REFRESH_ELEMENT = raw(`<script>${REFRESH}</script>`);

/** Nothing may run or load in these pages but the one script above: they show what unknownFields sent. */
export const PAGE_HEADERS = pageHeaders({ style: STYLE, script: REFRESH });

/** Browsers ask for HTML by name; curl and programs, which take anything, get JSON. */
export function wantsPage(c: Context): boolean {
  const supports = ["application/json", "text/html"];
  return accepts(c, { header: "Accept", supports, default: "application/json" }) === "text/html";
}

/** A whole page, self-contained. */
export function renderPage(
  title: string,
  content: Markup,
  { refreshes }: { readonly refreshes: boolean },
): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${content} ${refreshes ? REFRESH_ELEMENT : ""}
      </body>
    </html>`;
}
