import { randomBytes } from "node:crypto";
import { html, raw } from "hono/html";
import type { Answer } from "../http/answer.ts";

/**
 * Settings of the reference, which loads nothing from elsewhere. Its own fonts, telemetry, assistant and
 * hosted client would be requests to its makers.
 */
const CONFIGURATION = {
  theme: "default",
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
  persistAuth: false,
  documentDownloadType: "direct",
  operationTitleSource: "summary",
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: { preferredSecurityScheme: "apiKey" },
};

/** The document that is shown. */
export interface ReferencePage {
  readonly title: string;
  /** The document's address, relative to the page. */
  readonly url: string;
  /** From the page to the gateway's root. */
  readonly up: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

export const API_PAGE: ReferencePage = { title: "Ringback API", url: "openapi.json", up: "" };
export const GUIDES_PAGE: ReferencePage = {
  title: "Ringback guides",
  url: "guides.json",
  up: "../",
  // There is nothing to send.
  more: { hiddenClients: true, documentDownloadType: "none" },
};

const NONCE_BYTES = 16;

/**
 * A page that shows a document with navigation, search, samples and a form to try each request. Addresses
 * are relative, so that it works below any path of a proxy.
 * @param of.version of the bundle
 * @param of.gatewayUrl where requests that are tried out go
 */
export async function referencePage(
  { title, url, up, more }: ReferencePage,
  of: { readonly version: string; readonly gatewayUrl: string },
): Promise<Answer> {
  const nonce = randomBytes(NONCE_BYTES).toString("base64");
  // Its schemas would probe for `eval`, which the policy reports.
  const setUp = `globalThis.__zod_globalConfig = { jitless: true };`;
  const start = `Scalar.createApiReference("#reference", ${JSON.stringify({ ...CONFIGURATION, ...more, url, metaData: { title } })});`;
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <nav class="own">
          <a href="./${up}">Ringback</a>
          <a href="${up}docs">API</a>
          <a href="${up}docs/guides">Guides</a>
          <a href="${up}docs/plain">Plain page</a>
          <a href="${up}openapi.json">openapi.json</a>
        </nav>
        <div id="reference"></div>
        <noscript
          ><p>Without scripts: <a href="${up}docs/plain">the API as a plain page</a>.</p></noscript
        >
        ${raw(`<script nonce="${nonce}">${setUp}</script>`)}
        ${raw(`<script nonce="${nonce}" src="${up}docs/reference.js?v=${of.version}"></script>`)}
        ${raw(`<script nonce="${nonce}">${start}</script>`)}
      </body>
    </html>`;
  return { status: 200, headers: headersOf(nonce, of.gatewayUrl), body: page.toString() };
}

const STYLE = `
body { margin: 0; }
.own { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: .5rem 1rem; font: 14px/1.5 system-ui, sans-serif;
  border-bottom: 1px solid light-dark(#d8dce3, #363c47); }
.own a { color: inherit; text-decoration: none; }
.own a:hover { text-decoration: underline; }
`;

function headersOf(nonce: string, gatewayUrl: string): Answer["headers"] {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    // The bundle makes style elements of its own.
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src data:",
    `connect-src 'self' ${new URL(gatewayUrl).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
  };
}
