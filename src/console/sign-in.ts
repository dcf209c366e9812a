import { html } from "hono/html";
import type { Links } from "./http/links.ts";
import { type Markup, NOTHING } from "./view/markup.ts";
import { pre } from "./view/parts.ts";

/** The form for an API key; nothing of what was typed comes back with a refusal. */
export function signInView(
  links: Links,
  { next, problem }: { readonly next: string; readonly problem: string | null },
): Markup {
  return html`<div class="sign-in">
    <h1>Ringback console</h1>
    <p>Sign in with an API key of your project. Its scopes decide what you can do here.</p>
    ${problem === null ? NOTHING : html`<p class="notice bad" role="alert">${problem}</p>`}
    <form method="post" action="${links.to("sign-in")}" hx-boost="false">
      <input type="hidden" name="next" value="${next}" />
      <label>
        <span>API key</span>
        <input
          type="password"
          name="key"
          required
          autofocus
          autocomplete="off"
          spellcheck="false"
          placeholder="rb_…"
        />
      </label>
      <button class="main">Sign in</button>
    </form>
    <details>
      <summary>Where do I find a key?</summary>
      <p>
        The first start prints one, or writes it to <code>api-key</code> in its data directory. It
        is also what <code>RINGBACK_API_KEY</code> says. With any admin key, another one is made by:
      </p>
      ${pre(NEW_KEY)}
      <p>
        A key with the scope <code>subscriptions:read</code> sees everything of its project and
        changes nothing.
      </p>
    </details>
  </div>`;
}

const NEW_KEY = `curl -s "$RINGBACK_URL/v1/api-keys" -H "Authorization: Bearer $RINGBACK_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "console", "scopes": ["subscriptions:read"]}'`;
