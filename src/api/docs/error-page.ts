import { html, raw } from "hono/html";
import { PROBLEMS, type ProblemCode } from "../../core/error-codes.ts";
import { pageHeaders } from "../../runtime/security-headers.ts";

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 44rem; padding: 2rem 1rem; font: 16px/1.6 system-ui, sans-serif; }
code { font: 0.9em ui-monospace, monospace; }
dt { font-weight: 600; }
dd { margin: 0 0 .75rem; }
`;

/** The page loads nothing and runs nothing. */
export const ERROR_PAGE_HEADERS = pageHeaders({ style: STYLE });

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}

/** The page that the `type` of a problem leads to. */
export async function errorPage(code: ProblemCode): Promise<string> {
  const { status, title, help } = PROBLEMS[code];
  // Every second part was between backquotes.
  const text = help
    .split("`")
    .map((part, index) => (index % 2 === 0 ? part : html`<code>${part}</code>`));
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${code} · Ringback</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <p><a href="/docs">Ringback API</a></p>
        <h1>${title}</h1>
        <dl>
          <dt>Code</dt>
          <dd><code>${code}</code></dd>
          <dt>HTTP status</dt>
          <dd>${status}</dd>
        </dl>
        <p>${text}</p>
        <p>
          Programs read <code>code</code>. <code>detail</code> says what was wrong with this very
          request, and <code>errors</code> points at each invalid part.
        </p>
      </body>
    </html>`;
  return page.toString();
}
