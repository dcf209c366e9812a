import { html, raw } from "hono/html";
import { pageHeaders } from "../../runtime/security-headers.ts";

type Markup = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #363c47); --quiet: light-dark(#5c6470, #9aa3b0);
  --good: light-dark(#136c3a, #57cf8d); --bad: light-dark(#a8201a, #ff8a80); }
body { margin: 0 auto; max-width: 44rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; border-bottom: 1px solid var(--line); }
ul { padding: 0; list-style: none; } li { margin: .5rem 0; }
a { color: inherit; font-weight: 600; } .quiet { color: var(--quiet); }
.good { color: var(--good); } .bad { color: var(--bad); }
form { display: flex; flex-wrap: wrap; gap: .5rem; } input { flex: 1 1 16rem; }
input, button { font: inherit; padding: .4rem .6rem; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid var(--line); font: .85em ui-monospace, monospace; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
`;

/*
 * Submits a job to the sandbox, subscribes to it and shows how the subscription goes, as a client would do
 * it. The API key is kept nowhere.
 */
const SCRIPT = `
const form = document.querySelector("form");
const steps = document.querySelector("ol");
const button = document.querySelector("button");
function say(text, href) {
  const step = document.createElement("li");
  const shown = href === undefined ? step : step.appendChild(document.createElement("a"));
  if (href !== undefined) shown.href = href;
  shown.textContent = text;
  steps.append(step);
  return step;
}
async function call(path, body) {
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: "Bearer " + form.elements.key.value.trim(), "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.detail ?? "HTTP " + answer.status);
  return value;
}
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  steps.replaceChildren();
  try {
    const inbox = "sandbox/inbox/start-" + Math.random().toString(36).slice(2, 10);
    const { job_id } = await call("sandbox/jobs", { duration_s: 2 });
    say("Submitted the job " + job_id + ", which takes 2 s.");
    const { id } = await call("v1/subscriptions", {
      provider: "sandbox", job_id, callback_url: form.dataset.url + "/" + inbox,
    });
    say("Subscribed: " + id + ". The gateway polls the job from here on.");
    const seen = new Set();
    for (let tries = 0; tries < 120; tries += 1) {
      const { status, job } = await call("v1/subscriptions/" + id);
      const news = "The job is " + job.status + ", the subscription is " + status + ".";
      if (!seen.has(news)) say(news);
      seen.add(news);
      if (status !== "active" && status !== "delivering") break;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const [callback] = (await call(inbox)).data;
    if (callback === undefined) throw new Error("No callback came.");
    const step = say(callback.verified
      ? "The callback came, and its signature is verified:" : "The callback came: " + callback.reason);
    const body = step.appendChild(document.createElement("pre"));
    body.tabIndex = 0;
    body.textContent = JSON.stringify(JSON.parse(callback.body), null, 2);
    if (form.dataset.console !== undefined) {
      say("See its whole story in the console", "console/jobs?q=" + callback.webhook_id);
      say("Run other jobs in the console's sandbox", "console/sandbox");
    }
  } catch (error) {
    say(error.message).className = "bad";
  } finally {
    button.disabled = false;
  }
});
`;

/** The page runs its own script alone, which asks this gateway alone. */
export const START_PAGE_HEADERS = pageHeaders({ style: STYLE, script: SCRIPT, asksItself: true });

/** Facts about the gateway that serves the page. */
interface StartPageFacts {
  readonly version: string;
  readonly hasSandbox: boolean;
  readonly hasConsole: boolean;
  /** Without a slash at the end. */
  readonly publicUrl: string;
  /** Why the node accepts no requests; empty when it does. */
  readonly notReady: readonly string[];
}

/** For people who open the gateway's address in a browser: what runs here, and where to go. */
export async function startPage(gateway: StartPageFacts): Promise<string> {
  const { version, hasSandbox, hasConsole, notReady } = gateway;
  const people = [
    ...(hasConsole ? ([["console", "jobs, deliveries and settings in the browser"]] as const) : []),
    ["docs", "the API: reference, search, samples"],
    ["docs/guides", "guides, from the first subscription to several nodes"],
    ...(hasSandbox
      ? ([
          [hasConsole ? "console/sandbox" : "sandbox", "jobs and a receiver to try it with"],
        ] as const)
      : []),
  ] as const;
  const programs = [
    ["openapi.json", "the API (OpenAPI 3.1)"],
    ["metrics", "metrics for Prometheus"],
    ["healthz", "is the process alive?"],
    ["readyz", "does it accept requests?"],
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
        <main>
          <h1>Ringback ${version}</h1>
          <p>Polls jobs at their APIs and calls you back with a signed webhook when they end.</p>
          ${
            notReady.length === 0
              ? html`<p class="good">This node accepts requests.</p>`
              : html`<p class="bad">This node accepts no requests now: ${notReady.join("; ")}.</p>`
          }
          ${links("For people", people)} ${links("For programs", programs)}
          ${hasSandbox ? loop(gateway) : ""}
        </main>
        ${raw(`<script>${SCRIPT}</script>`)}
      </body>
    </html>`;
  return page.toString();
}

function links(title: string, of: readonly (readonly [string, string])[]): Markup {
  return html`<h2>${title}</h2>
    <ul>
      ${of.map(
        ([path, text]) =>
          html`<li><a href="${path}">/${path}</a> <span class="quiet">${text}</span></li>`,
      )}
    </ul>`;
}

function loop({ publicUrl, hasConsole }: StartPageFacts): Markup {
  return html`<h2>Try it</h2>
    <p>
      Submits a job to the sandbox, subscribes to it, and shows the callback. The API key was
      printed when the gateway was first started.
    </p>
    <form data-url="${publicUrl}" ${hasConsole ? "data-console" : ""}>
      <input
        name="key"
        type="password"
        placeholder="rb_…"
        aria-label="API key"
        autocomplete="off"
        required
      />
      <button>Run the loop</button>
    </form>
    <ol></ol>`;
}
