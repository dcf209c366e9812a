import type { Hono } from "hono";
import { createApp } from "../../src/api/app.ts";
import { Console } from "../../src/console/console.ts";
import { consoleRoutes } from "../../src/console/routes.ts";
import { Sandbox } from "../../src/sandbox/sandbox.ts";
import { ApiFixture, PUBLIC_URL } from "../api/api-fixture.ts";
import { FakeClock } from "../support/fake-clock.ts";

const ORIGIN = PUBLIC_URL;

/** Another number each time, since jobs of the sandbox need ids of their own. */
let drawn = 0;

const sandbox = new Sandbox(
  { clock: new FakeClock(), random: () => (drawn = (drawn + 0.618) % 1) },
  {
    signingSecrets: () => Promise.resolve([]),
    baseUrl: () => PUBLIC_URL,
    hosts: new Set([new URL(PUBLIC_URL).hostname]),
    mayChange: () => Promise.resolve(false),
  },
);

/** All that the fixture's console serves to people who are signed in. */
export const ROUTES = consoleRoutes(sandbox);

/** A page as somebody's browser has it. */
export interface BrowserPage {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Where it leads, from the root of the gateway; null for a page. */
  readonly location: string | null;
}

/** By name, or as a list where a name is there several times. */
type Fields = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

interface Sending {
  /** A null leaves a header out that browsers send. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** The console on top of the API of a fixture. */
export class ConsoleFixture {
  readonly api: ApiFixture;
  readonly console: Console;
  readonly #app: Hono;

  private constructor(api: ApiFixture) {
    this.api = api;
    this.console = new Console({
      ...api.services,
      sandbox,
      api: (request, bindings) => api.app.fetch(request, bindings),
    });
    api.app.route("/sandbox", sandbox.app);
    api.app.route("/", this.console.app);
    this.#app = api.app;
  }

  static async open(): Promise<ConsoleFixture> {
    return new ConsoleFixture(await ApiFixture.open());
  }

  close(): Promise<void> {
    return this.api.close();
  }

  /** How many bytes of an asset go over the line. */
  async assetBytes(path: string, encoding: "br" | "gzip"): Promise<number> {
    const response = await this.#app.fetch(
      new Request(new URL(path, ORIGIN), { headers: { "accept-encoding": encoding } }),
    );
    return (await response.arrayBuffer()).byteLength;
  }

  /** A browser without cookies. */
  browser(): Browser {
    return new Browser(this.#app);
  }

  /** A browser without cookies, at another node of the same gateway. */
  browserAtOtherNode(): Browser {
    const app = createApp(this.api.services);
    const api = (...request: Parameters<typeof app.fetch>) => app.fetch(...request);
    app.route("/", new Console({ ...this.api.services, sandbox, api }).app);
    return new Browser(app);
  }

  /** A browser that has signed in with a new key of these scopes. */
  async signedIn(scopes: Parameters<ApiFixture["addKey"]>[0] = ["admin"]): Promise<Browser> {
    const browser = this.browser();
    await browser.signIn(await this.api.addKey(scopes));
    return browser;
  }
}

/** Follows no redirect by itself, runs no script, and keeps its cookies. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** The attributes of the last cookie of each name. */
  readonly setCookies = new Map<string, string>();
  readonly #app: Hono;

  constructor(app: Hono) {
    this.#app = app;
  }

  get(path: string, sending: Sending = {}): Promise<BrowserPage> {
    return this.#send("GET", path, sending);
  }

  /** Sends a form as a page of the console would, with the token that is in the last page. */
  post(path: string, fields: Fields, sending: Sending = {}): Promise<BrowserPage> {
    const { headers } = sending;
    return this.#send("POST", path, {
      headers: { "sec-fetch-site": "same-origin", origin: ORIGIN, ...headers },
      body: new URLSearchParams(fields as Record<string, string> | string[][]),
    });
  }

  /** Opens a page of the console, and fails unless it is shown. */
  async open(path: string): Promise<string> {
    const page = await this.get(path);
    if (page.status !== 200) throw new Error(`${path} answered ${page.status}: ${page.text}`);
    return page.text;
  }

  /** The CSRF token of the session, from any of its pages. */
  async csrf(): Promise<string> {
    return fieldIn(await this.open("/console/jobs"), "csrf");
  }

  signIn(key: string, next = ""): Promise<BrowserPage> {
    return this.post("/console/sign-in", { key, next });
  }

  async #send(
    method: string,
    path: string,
    { headers, body }: Sending & { readonly body?: URLSearchParams },
  ): Promise<BrowserPage> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const url = new URL(path, ORIGIN);
    const given = { host: url.host, ...(cookie !== "" && { cookie }), ...headers };
    const response = await this.#app.fetch(
      new Request(url, {
        method,
        headers: Object.entries(given).filter((one): one is [string, string] => one[1] !== null),
        ...(body !== undefined && { body }),
      }),
    );
    for (const text of response.headers.getSetCookie()) this.#keep(text);
    const location = response.headers.get("location");
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? null : pathOf(new URL(location, url)),
    };
  }

  #keep(text: string): void {
    const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
    this.setCookies.set(name, text);
    if (/max-age=0\b/i.test(text)) this.cookies.delete(name);
    else this.cookies.set(name, decodeURIComponent(value));
  }
}

function pathOf({ origin, pathname, search }: URL): string {
  return origin === ORIGIN ? pathname + search : origin + pathname + search;
}

/** The value of a hidden field of a page. */
function fieldIn(page: string, name: string): string {
  return new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";
}
