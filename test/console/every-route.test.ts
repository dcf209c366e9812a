import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scopeRefusal } from "../../src/api/http/auth.ts";
import type { ConsoleRoute } from "../../src/console/http/page.ts";
import { type IdKind, publicId } from "../../src/core/ids/ids.ts";
import { SCOPES } from "../../src/core/scopes.ts";
import type { Json } from "../api/api-fixture.ts";
import { countObjects, objectsOf } from "../api/objects-of.ts";
import { type Browser, type BrowserPage, ConsoleFixture, ROUTES } from "./console-fixture.ts";

/*
 * Walks every page and every action of the console without a session, with a session of each scope, without
 * a session's token, by links, and with the objects of another project. The routes are the list that serves
 * them, so that a new one is covered as it is added.
 */

const FOREIGN_PROVIDER = "foreign";

let fixture: ConsoleFixture;
/** Objects of the project that the sessions are not of. */
let foreign: Awaited<ReturnType<typeof objectsOf>>;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  foreign = await objectsOf(fixture.api, FOREIGN_PROVIDER);
});
afterAll(() => fixture.close());

/** Names in a request: an id in the address, a provider's name, and the objects in a form. */
interface Named {
  readonly id: string;
  readonly name: string;
  readonly subscription: string;
  readonly delivery: string;
}

const nameOf = ({ method, path }: ConsoleRoute): string => `${method} ${path}`;

/** @param below where the console or the link begins */
async function ask(
  browser: Browser,
  route: ConsoleRoute,
  named: Named,
  csrf: string,
  below = "/console",
): Promise<BrowserPage> {
  const { subscription, delivery } = named;
  const path =
    below + route.path.replace("/:id", `/${named.id}`).replace("/:name", `/${named.name}`);
  expect(
    path,
    `${nameOf(route)} names something in a way that this test does not know`,
  ).not.toContain("/:");
  if (route.method === "GET") return browser.get(path);
  return browser.post(path, { csrf, subscription, delivery });
}

const missing = (kind: IdKind): string => publicId(kind, fixture.api.uuid());

/** Names that exist nowhere. */
const nothing = (kind: IdKind = "job"): Named => ({
  id: missing(kind),
  name: "no-such-provider",
  subscription: missing("subscription"),
  delivery: missing("delivery"),
});

/** The foreign object of this kind in the address, and foreign ones in forms. */
const foreignOf = (kind: IdKind = "job"): Named => ({
  id: foreign[kind] ?? missing(kind),
  name: FOREIGN_PROVIDER,
  subscription: foreign.subscription ?? "",
  delivery: foreign.delivery ?? "",
});

/** Every kind of object may be what an id in an address names. */
const kindsFor = ({ path }: ConsoleRoute): readonly IdKind[] =>
  path.includes("/:id")
    ? (Object.keys(foreign) as IdKind[]).filter((kind) => foreign[kind] !== null)
    : ["job"];

/** A key of a project of its own. */
async function strangerKey(scope: (typeof SCOPES)[number]) {
  const projectId = fixture.api.uuid();
  await fixture.api.addProject(projectId, projectId);
  return { projectId, key: await fixture.api.addKey([scope], { projectId }) };
}

/** A browser that is signed in to a project of its own, and the token of its session. */
async function stranger(scope: (typeof SCOPES)[number]) {
  const browser = fixture.browser();
  await browser.signIn((await strangerKey(scope)).key);
  const { text } = await browser.get("/console/no-such-page");
  const csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? "";
  expect(csrf).not.toBe("");
  return { browser, csrf };
}

test("every page and action sends a browser without a session to the sign-in form", async () => {
  const before = await countObjects(fixture.api);
  for (const route of ROUTES) {
    const page = await ask(fixture.browser(), route, foreignOf(), "");
    expect(page.status, nameOf(route)).toBe(303);
    expect(page.location, nameOf(route)).toMatch(/^\/console\/sign-in(?:\?|$)/);
  }
  expect(await countObjects(fixture.api)).toEqual(before);
});

test("every page and action needs a key with its scope, or one of admin", async () => {
  for (const scope of SCOPES) {
    const { browser, csrf } = await stranger(scope);
    for (const route of ROUTES) {
      const page = await ask(browser, route, nothing(), csrf);
      const caller = { keyId: "", keyHash: "", projectId: "", scopes: [scope] };
      const which = `${nameOf(route)} with ${scope}`;
      if (scopeRefusal(caller, route.scope) === null) expect(page.status, which).not.toBe(403);
      else expect(page.status, which).toBe(403);
      expect(page.status, which).toBeLessThan(500);
    }
  }
});

test("every action needs the token of its session", async () => {
  const browser = await fixture.signedIn();
  const ofAnother = (await stranger("admin")).csrf;
  const before = await countObjects(fixture.api);
  for (const route of ROUTES) {
    if (route.method === "GET") continue;
    for (const csrf of ["", "x".repeat(43), ofAnother]) {
      const page = await ask(browser, route, foreignOf(), csrf);
      expect(page.status, nameOf(route)).toBe(403);
    }
  }
  expect(await countObjects(fixture.api)).toEqual(before);
});

/** The answer about an object and the page that it leads to, without the names of the request. */
async function told(
  browser: Browser,
  route: ConsoleRoute,
  named: Named,
  csrf: string,
): Promise<string> {
  const page = await ask(browser, route, named, csrf);
  const shown = page.location === null ? page : await browser.get(page.location);
  const text = JSON.stringify([page.status, page.location, shown.status, mainOf(shown.text)]);
  return Object.values(named).reduce((rest, one: string) => rest.replaceAll(one, "NAMED"), text);
}

const foreignIds = (): string[] => Object.values(foreign).filter((id) => id !== null);

test("every page and action answers as if objects of other projects did not exist", async () => {
  const { browser, csrf } = await stranger("admin");
  const before = await countObjects(fixture.api);
  for (const route of ROUTES) {
    for (const kind of kindsFor(route)) {
      const which = `${nameOf(route)} about a foreign ${kind}`;
      const ofForeign = await told(browser, route, foreignOf(kind), csrf);
      for (const id of foreignIds()) expect(ofForeign.includes(id), which).toBe(false);
      if (!route.path.includes("/:")) continue;
      const ofNone = await told(browser, route, nothing(kind), csrf);
      expect(differenceOf(ofForeign, ofNone), which).toBe("");
    }
  }
  const after = await countObjects(fixture.api);
  // Some actions make or revoke what is the stranger's own.
  for (const kind of ["connections", "subscriptions", "redeliveries", "inboxes", "consumers"]) {
    expect(after[kind], kind).toBe(before[kind]);
  }
});

describe("a link to the console", () => {
  /** Limits of each kind of link, in a project of its own. */
  const LINKS = ["project", "metadata", "subscription"] as const;

  test.each(LINKS)(
    "a link to a part of a project (%s) shows and changes nothing of another project, on every page and action",
    async (kind) => {
      const url = await linkOfStranger(kind);
      const browser = fixture.browser();
      const below = new URL(url).pathname.replace(/\/$/, "");
      const { text } = await browser.get(`${below}/`);
      const start = await browser.get((await browser.get(`${below}/`)).location ?? `${below}/`);
      const csrf = /name="csrf" value="([^"]+)"/.exec(text + start.text)?.[1] ?? "";
      const before = await countObjects(fixture.api);
      for (const route of ROUTES) {
        const which = `${nameOf(route)} by a link to ${kind}`;
        for (const object of kindsFor(route)) {
          const named = foreignOf(object);
          const page = await ask(browser, route, named, csrf, below);
          const unnamed = foreignIds().filter((id) => !Object.values(named).includes(id));
          for (const id of unnamed) expect(page.text.includes(id), which).toBe(false);
          const ofNone = await ask(browser, route, nothing(object), csrf, below);
          expect(page.status, `${which} about a foreign ${object}`).toBe(ofNone.status);
          if (route.path.includes("/:")) expect(page.status, which).not.toBe(200);
        }
        const isShown =
          route.inLinks === "all" || (route.inLinks === "project" && kind === "project");
        const { status } = await ask(browser, route, nothing(), "", below);
        if (!isShown) expect(status, which).toBe(404);
        else if (route.method === "POST") expect(status, which).toBe(403);
        expect(status, which).toBeLessThan(500);
      }
      expect(await countObjects(fixture.api)).toEqual(before);
    },
  );

  async function linkOfStranger(kind: (typeof LINKS)[number]): Promise<string> {
    const { key, projectId } = await strangerKey("admin");
    await fixture.api.addConnection(projectId, "default");
    const request = (path: string, body: object) =>
      fixture.api.request("POST", path, { body, key });
    const made = await request("/v1/subscriptions", {
      job_id: "own",
      connection: "default",
      callback_url: "https://app.example.com/hook",
      metadata: { customer: "own" },
    });
    const { id }: Json = await made.json();
    const limits = {
      project: {},
      metadata: { metadata: "customer=own" },
      subscription: { subscription_id: id },
    };
    const response = await request("/v1/console-links", { ...limits[kind], may_redeliver: true });
    expect(response.status).toBe(201);
    const { url }: Json = await response.json();
    return String(url);
  }
});

/** Where two long texts begin to differ; empty for equal ones. */
function differenceOf(one: string, other: string): string {
  if (one === other) return "";
  const at = one.split("").findIndex((character, index) => character !== other[index]);
  return [one, other].map((text) => text.slice(Math.max(0, at - 80), at + 160)).join(" ≠ ");
}

/** The text of a page, without the parts that differ each time it is read. */
function mainOf(text: string): string {
  const [, main = ""] = /<main[^>]*>([\s\S]*)<\/main>/.exec(text) ?? [];
  return main.replaceAll(/nonce="[^"]*"|value="[^"]*"/g, "");
}
