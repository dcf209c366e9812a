import { html, raw } from "hono/html";
import { pageHeaders } from "../../runtime/page-headers.ts";

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 40rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif; }
dt { margin-top: .75rem; font: 600 15px/1.4 ui-monospace, monospace; }
dd { margin: 0; }
`;

/** The page loads nothing and runs nothing. */
export const START_PAGE_HEADERS = pageHeaders({ style: STYLE });

/** For people who open the gateway's address in a browser: what runs here, and where to go. */
export async function startPage(gateway: {
  readonly version: string;
  readonly hasSandbox: boolean;
}): Promise<string> {
  const links = [
    ["/docs", "the API, for people"],
    ["/openapi.json", "the API, for programs (OpenAPI 3.1)"],
    ...(gateway.hasSandbox ? [["/sandbox", "jobs and a receiver to try it with"]] : []),
    ["/healthz", "is the process alive?"],
    ["/readyz", "does it accept requests?"],
  ] as const;
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Ringback</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <h1>Ringback ${gateway.version}</h1>
        <p>Polls jobs at their APIs and calls you back with a signed webhook when they end.</p>
        <dl>
          ${links.map(
            ([path, text]) =>
              html`<dt><a href="${path}">${path}</a></dt>
                <dd>${text}</dd>`,
          )}
        </dl>
      </body>
    </html>`;
  return page.toString();
}
