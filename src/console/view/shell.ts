import { html, raw } from "hono/html";
import type { Caller } from "../../api/http/auth.ts";
import type { ConsoleLink } from "../../api/console-links/link.ts";
import { scopeRefusal } from "../../api/http/auth.ts";
import type { AssetName } from "../assets.ts";
import type { Links } from "../http/links.ts";
import type { Notice } from "../http/page.ts";
import { actionButton } from "./forms.ts";
import { type Markup, NOTHING } from "./markup.ts";
import { SECTIONS, type SectionName } from "./sections.ts";

export const THEMES = ["light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

interface ShellOptions {
  readonly title: string;
  readonly section: SectionName | null;
  readonly body: Markup;
  /** Names the content: a reader who has it is not sent it again. */
  readonly seen: string;
  readonly isLive: boolean;
  readonly notice: Notice | null;
  readonly links: Links;
  readonly nonce: string;
  /** Null for the browser's own. */
  readonly theme: Theme | null;
  readonly version: string;
  readonly assetPath: (name: AssetName) => string;
  /** Null for somebody who is not signed in. */
  readonly signedIn: { readonly caller: Caller; readonly csrfToken: string } | null;
  /** By which somebody came who did not sign in. */
  readonly link: ConsoleLink | null;
  readonly hasSandbox: boolean;
}

/** Nothing is evaluated, inlined or asked for elsewhere. */
const HTMX_CONFIG = JSON.stringify({
  includeIndicatorCSS: false,
  mode: "same-origin",
  extensions: "console",
});

/** A whole page of the console. Scripts replace `#page` of it when a link is followed. */
export function shell(options: ShellOptions): Markup {
  const { title, links, nonce, theme, assetPath } = options;
  const asset = (name: AssetName): string => links.toAsset(assetPath(name));
  return html`<!doctype html>
    <html lang="en" ${theme === null ? NOTHING : html`data-theme="${theme}"`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content="${HTMX_CONFIG}" />
        <title>${title} · Ringback</title>
        <link rel="icon" href="${asset("icon.svg")}" />
        <link rel="stylesheet" nonce="${nonce}" href="${asset("console.css")}" />
        <script nonce="${nonce}" src="${asset("htmx.js")}" defer></script>
        <script nonce="${nonce}" src="${asset("console.js")}" defer></script>
      </head>
      ${raw(BODY)} ${options.signedIn === null ? publicPage(options) : privatePage(options)}
    </html>`;
}

const BODY =
  '<body hx-boost:inherited="true" hx-target:inherited="#page" hx-select:inherited="#page" hx-swap:inherited="outerMorph">';

function publicPage({ body, notice }: ShellOptions): Markup {
  return html`<div id="page" class="public" hx-history-elt>
    <main id="main" tabindex="-1">${noticeView(notice)} ${body}</main>
  </div>`;
}

function privatePage(options: ShellOptions): Markup {
  const { body, isLive, notice, seen } = options;
  return html`<div
    id="page"
    class="${isAlone(options) ? "alone" : ""}"
    data-seen="${seen}"
    ${isLive ? "data-live" : ""}
    hx-history-elt
  >
    <a class="skip" href="#main">Skip to content</a>
    ${navigation(options)}
    <main id="main" tabindex="-1">${noticeView(notice)} ${body}</main>
  </div>`;
}

/** Without sections there is nothing to put at the side. */
function isAlone({ link }: ShellOptions): boolean {
  return link !== null && link.limit.kind !== "project";
}

function navigation(options: ShellOptions): Markup {
  const { links, section, signedIn, version, isLive, link } = options;
  if (signedIn === null) return NOTHING;
  const shown = sectionsOf(options, signedIn.caller);
  return html`<header class="side">
    <a class="brand" href="${links.to("")}">Ringback</a>
    ${
      shown.length === 0
        ? NOTHING
        : html`<nav aria-label="Console">
            ${[...Map.groupBy(shown, ([, { group }]) => group)].map(
              ([group, sections]) =>
                html`<p class="group" id="nav-${group}">${group}</p>
                  <ul aria-labelledby="nav-${group}">
                    ${sections.map(
                      ([name, { title, path }]) =>
                        html`<li>
                          <a
                            href="${links.to(path)}"
                            ${name === section ? raw('aria-current="page"') : NOTHING}
                            >${title}</a
                          >
                        </li>`,
                    )}
                  </ul>`,
            )}
          </nav>`
    }
    <div class="foot">
      ${isLive ? LIVE : NOTHING} ${THEME_SWITCH}
      ${link === null ? ofTheTeam(links, signedIn.csrfToken) : NOTHING}
      <span class="quiet">${version}</span>
    </div>
  </header>`;
}

function ofTheTeam(links: Links, csrfToken: string): Markup {
  return html`<a href="${links.toGateway("docs")}" hx-boost="false">API reference</a>
    ${actionButton({ to: links.to("sign-out"), csrfToken, label: "Sign out" })}`;
}

/** Somebody with a link to less than the project has one page, or one list and what it leads to. */
function sectionsOf(options: ShellOptions, caller: Caller) {
  const { link, hasSandbox } = options;
  if (isAlone(options)) return [];
  return Object.entries(SECTIONS).filter(
    ([name, section]) =>
      scopeRefusal(caller, section.scope) === null &&
      (hasSandbox || name !== "sandbox") &&
      (link === null || "inLinks" in section),
  );
}

const THEME_SWITCH = html`<button class="scripted-only theme" type="button" data-theme-switch>
  Theme: <span class="auto">auto</span><span class="light">light</span
  ><span class="dark">dark</span>
</button>`;

/** Which of the words is true, the script knows. */
const LIVE = html`<button class="scripted-only state" type="button" data-pause>
  <span class="live">Live</span>
  <span class="paused">Paused</span>
  <span class="lost">No connection</span>
</button>`;

function noticeView(notice: Notice | null): Markup {
  return html`<div id="notice">${notice === null ? NOTHING : noticeText(notice)}</div>`;
}

function noticeText({ kind, text }: Notice): Markup {
  return kind === "done"
    ? html`<p class="notice good" role="status">${text}</p>`
    : html`<p class="notice bad" role="alert">${text}</p>`;
}
