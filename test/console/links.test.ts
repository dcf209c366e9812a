import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLink } from "../../src/api/console-links/link.ts";
import { apiRoutes } from "../../src/api/routes.ts";
import { LimitedApi } from "../../src/console/links/limited-api.ts";
import type { Scope } from "../../src/core/scopes.ts";
import { hashApiKey } from "../../src/runtime/secrets/api-key.ts";
import type { Json } from "../api/api-fixture.ts";
import { type Browser, type BrowserPage, ConsoleFixture, ROUTES } from "./console-fixture.ts";

const HOUR_MS = 3_600_000;
/** In everything of the other customer. */
const SECRET = "of-the-other-customer";
/** Known to the team only; links must not show it. */
const CONNECTION = "billing-eu";
const APP = "https://portal.example.com";

let fixture: ConsoleFixture;
let key: string;
/** Acme's, and the other customer's: two for the same job, and one for a job that is not Acme's. */
let acme: Delivered;
let other: Delivered;
let apart: Delivered;

interface Delivered {
  readonly subscription: Json;
  readonly delivery: string;
  readonly event: string;
}

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  key = await fixture.api.addKey(["subscriptions:write", "subscriptions:read"]);
  await fixture.api.addConnection(fixture.api.projectId, CONNECTION);
  const wish = { job_id: "shared", connection: CONNECTION, metadata: { customer: "acme" } };
  const shared = await fixture.api.subscribe(wish);
  const others = await fixture.api.subscribe(otherWish("shared"));
  await fixture.api.end(shared.id, { result: '{"pages":3}' });
  acme = await delivered(shared);
  other = await delivered(others);
  const alone = await fixture.api.subscribe(otherWish("apart"));
  await fixture.api.end(alone.id, { result: `"${SECRET}"` });
  apart = await delivered(alone);
});

afterAll(() => fixture.close());

function otherWish(jobId: string): object {
  return {
    job_id: jobId,
    connection: CONNECTION,
    callback_url: `https://app.example.com/hooks/${SECRET}`,
    metadata: { customer: "other", note: SECRET },
  };
}

async function ask(method: string, path: string, body?: object): Promise<Json> {
  const response = await fixture.api.request(method, path, body === undefined ? {} : { body });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

async function delivered(subscription: Json): Promise<Delivered> {
  const { data } = await ask("GET", `/v1/subscriptions/${subscription.id}/deliveries`);
  return { subscription, delivery: data[0].id, event: data[0].event_id };
}

/** Somebody with a link and nothing else, and the path of it. */
class Visitor {
  readonly browser: Browser;
  readonly path: string;

  constructor(url: string) {
    this.browser = fixture.browser();
    this.path = new URL(url).pathname;
  }

  get(path = ""): Promise<BrowserPage> {
    return this.browser.get(this.path + path);
  }

  async csrf(): Promise<string> {
    const page = await this.get(`jobs/${acme.subscription.job.id}`);
    return /name="csrf" value="([^"]*)"/.exec(page.text)?.[1] ?? "";
  }

  post(path: string, fields: Record<string, string>, headers = {}): Promise<BrowserPage> {
    return this.browser.post(this.path + path, fields, { headers });
  }
}

async function linkTo(wish: object, by = key): Promise<Json> {
  const response = await fixture.api.request("POST", "/v1/console-links", { body: wish, key: by });
  expect(response.status).toBe(201);
  return response.json();
}

async function visitor(wish: object, by = key): Promise<Visitor> {
  return new Visitor((await linkTo(wish, by)).url);
}

const LIMITS = {
  subscription: () => ({ subscription_id: acme.subscription.id }),
  metadata: () => ({ metadata: "customer=acme" }),
  project: () => ({}),
} as const;

type LimitKind = keyof typeof LIMITS;

/** The pages that each kind of link has, by their routes. */
const SHOWN: Readonly<Record<LimitKind, readonly string[]>> = {
  subscription: ["/", "/jobs/:id", "/results/:id", "/results/:id/view"],
  metadata: ["/", "/jobs/:id", "/results/:id", "/results/:id/view", "/subscriptions"],
  project: [
    "/",
    "/jobs/:id",
    "/results/:id",
    "/results/:id/view",
    "/subscriptions",
    "/overview",
    "/jobs",
    "/deliveries",
    "/callback-origins",
    "/events",
  ],
};

const KINDS = Object.keys(LIMITS) as LimitKind[];

describe("objects outside a link's scope don't exist for it", () => {
  test.each(KINDS)("on every route of the console, in a link to a %s", async (kind) => {
    const to = await visitor(LIMITS[kind]());
    for (const { method, path } of ROUTES) {
      const isResult = path.startsWith("/results");
      for (const of of [acme, apart]) {
        const id = isResult ? of.event : of.subscription.job.id;
        const address = path.slice(1).replace(/:\w+/, id);
        const page =
          method === "GET"
            ? await to.get(address)
            : await to.post(address, { csrf: "any", delivery: of.delivery });
        const isAcmes = of === acme || kind === "project" || !path.includes(":");
        const isShown = method === "GET" && SHOWN[kind].includes(path) && isAcmes;
        const expected = isShown ? (path === "/" ? 303 : 200) : 404;
        expect(page.status, `${method} ${address}`).toBe(expected);
        if (kind !== "project") {
          expect(page.text, address).not.toContain(SECRET);
          expect(page.text, address).not.toContain(CONNECTION);
        }
        expect(page.headers.getSetCookie()).toEqual([]);
      }
    }
    for (const address of ["no/such/page", "sign-in", "sign-out", "assets/x/console.js"]) {
      expect((await to.get(address)).status, address).toBe(404);
    }
  });

  test.each(["subscription", "metadata"] as const)(
    "on every route of the API, whatever a page of a link to a %s may ask for",
    async (kind) => {
      const { url } = await linkTo({ ...LIMITS[kind](), may_redeliver: true });
      const text = new URL(url).pathname.split("/")[3] ?? "";
      const link = openLink(fixture.api.secretBox, text);
      if (link === null) throw new Error("no link");
      const api = new LimitedApi((...one) => fixture.api.app.fetch(...one), link);
      const ids = [other, apart].flatMap(({ subscription, delivery, event }) => [
        subscription.id,
        delivery,
        event,
        subscription.job.id,
      ]);
      for (const { description } of apiRoutes(fixture.api.services)) {
        const { method, path } = description;
        for (const id of path.includes("{id}") ? ids : [""]) {
          const address = path.replaceAll(/\{\w+\}/g, id);
          const job = `?job=${apart.subscription.job.id}`;
          const request = new Request(
            `http://localhost${address}${path === "/v1/events" ? job : ""}`,
            {
              method,
              ...(method !== "GET" && method !== "DELETE" && { body: "{}" }),
            },
          );
          const response = await api.fetch(request, { sessionKeyHash: link.keyHash });
          const body = await response.text();
          expect(body, `${method} ${address}`).not.toContain(SECRET);
          const isNarrowed =
            (path === "/v1/subscriptions" && method === "GET" && kind === "metadata") ||
            // The same job, of which it shows Acme's subscription alone.
            address === `/v1/jobs/${other.subscription.job.id}/explain` ||
            ["", "/result", "/result-part"].some(
              (part) => address === `/v1/events/${other.event}${part}`,
            );
          expect(response.status, `${method} ${address}`).toBe(isNarrowed ? 200 : 404);
        }
      }
    },
  );

  test("objects outside a link's scope don't exist for it, whatever a filter in its address says", async () => {
    const to = await visitor(LIMITS.metadata());
    for (const query of [
      "metadata=customer%3Dother",
      "job=apart",
      "metadata=",
      "status=delivering",
    ]) {
      const page = await to.get(`subscriptions?${query}`);
      expect(page.status).toBe(200);
      expect(page.text).not.toContain(SECRET);
    }
    expect((await to.get("subscriptions")).text).toContain("shared");
  });

  test("objects outside a link's scope don't exist for it, also when somebody who is signed in opens it", async () => {
    const to = await visitor(LIMITS.subscription());
    await to.browser.signIn(await fixture.api.addKey(["admin"]));
    const page = await to.get(`jobs/${acme.subscription.job.id}`);
    expect(page.text).not.toContain(SECRET);
    expect(page.text).not.toContain("Sign out");
    expect((await to.get("jobs")).status).toBe(404);
  });
});

test("a link leads to what it is for, by relative addresses that stay within it", async () => {
  for (const kind of KINDS) {
    const to = await visitor(LIMITS[kind]());
    const start = await to.get();
    expect(start.location?.startsWith(to.path)).toBe(true);
    const page = await to.browser.get(start.location ?? "");
    expect(page.status).toBe(200);
    const base = `https://ringback.example.com${start.location}`;
    for (const [, href = ""] of page.text.matchAll(/<(?:a|form)[^>]*(?:href|action)="([^"#]+)"/g)) {
      const { pathname } = new URL(href.replaceAll("&amp;", "&"), base);
      expect(pathname.startsWith(to.path), href).toBe(true);
      expect([200, 303]).toContain((await to.browser.get(pathname)).status);
    }
    for (const [, asset = ""] of page.text.matchAll(/(?:src|href)="([^"]*assets[^"]+)"/g)) {
      expect((await to.browser.get(new URL(asset, base).pathname)).status).toBe(200);
    }
  }
  const whole = await visitor({});
  expect((await whole.browser.get(whole.path.slice(0, -1))).location).toBe(whole.path);
});

describe("sending again", () => {
  test("sending again is offered and done only where the link says so, for what it shows", async () => {
    for (const kind of KINDS) {
      const to = await visitor({ ...LIMITS[kind](), may_redeliver: true });
      const job = acme.subscription.job.id;
      const page = await to.get(`jobs/${job}`);
      expect(page.text).toContain("Send again…");
      expect(page.text).not.toContain("Poll now");
      const csrf = await to.csrf();
      const done = await to.post(`jobs/${job}/redeliver`, { csrf, delivery: acme.delivery });
      expect(done.status).toBe(303);
      const after = await to.browser.get(done.location ?? "");
      expect(after.text).toContain("The callback is sent again.");
      expect(fixture.api.calls.at(-1)?.[0]).toBe("redelivered");
      const calls = fixture.api.calls.length;
      if (kind === "project") continue;
      for (const { delivery } of [other, apart]) {
        const refused = await to.post(`jobs/${job}/redeliver`, { csrf, delivery });
        expect((await to.browser.get(refused.location ?? "")).text).toContain(
          "does not include this page",
        );
      }
      expect(fixture.api.calls).toHaveLength(calls);
    }
    const reading = await visitor(LIMITS.subscription());
    expect((await reading.get(`jobs/${acme.subscription.job.id}`)).text).not.toContain(
      "Send again",
    );
  });

  test("sending again is refused to a form of another page", async () => {
    const to = await visitor({ ...LIMITS.subscription(), may_redeliver: true });
    const another = await visitor({ ...LIMITS.subscription(), may_redeliver: true });
    const path = `jobs/${acme.subscription.job.id}/redeliver`;
    const { delivery } = acme;
    const own = await to.csrf();
    for (const csrf of ["", "x", await another.csrf()]) {
      expect((await to.post(path, { csrf, delivery })).status).toBe(403);
    }
    const foreign = { "sec-fetch-site": "cross-site" };
    expect((await to.post(path, { csrf: own, delivery }, foreign)).status).toBe(403);
  });
});

describe("a link ends", () => {
  const isOver = async (to: Visitor): Promise<boolean> => {
    const { status, text } = await to.get(`jobs/${acme.subscription.job.id}`);
    expect([200, 403]).toContain(status);
    if (status === 403) expect(text).toContain("This link has expired");
    return status === 403;
  };

  test("a link ends with its time", async () => {
    const [short, long] = [
      await visitor({ ...LIMITS.subscription(), expires_in_s: 60 }),
      await visitor(LIMITS.subscription()),
    ];
    fixture.api.clock.advance(59_000);
    expect(await isOver(short)).toBe(false);
    fixture.api.clock.advance(2000);
    expect(await isOver(short)).toBe(true);
    expect(await isOver(long)).toBe(false);
    fixture.api.clock.advance(HOUR_MS);
    expect(await isOver(long)).toBe(true);
  });

  test("a link ends with the key that made it, and a script reads that at once", async () => {
    const maker = await fixture.api.addKey(["admin"]);
    const to = await visitor(LIMITS.subscription(), maker);
    expect(await isOver(to)).toBe(false);
    const [{ id }] = (await ask("GET", "/v1/api-keys?limit=1")).data;
    await ask("DELETE", `/v1/api-keys/${id}`);
    expect(await isOver(to)).toBe(true);
    const headers = { "hx-request": "true", "console-seen": "x" };
    const read = await to.browser.get(`${to.path}jobs/${acme.subscription.job.id}`, { headers });
    expect(read.headers.get("hx-refresh")).toBe("true");
  });

  test("a link ends when it is revoked alone, at once on every node, and others are good", async () => {
    const [one, other] = [await linkTo(LIMITS.metadata()), await visitor(LIMITS.metadata())];
    const path = `${new URL(one.url).pathname}jobs/${acme.subscription.job.id}`;
    const elsewhere = fixture.browserAtOtherNode();
    expect((await elsewhere.get(path)).status).toBe(200);
    const strangerId = fixture.api.uuid();
    await fixture.api.addProject(strangerId, "revokes links");
    const stranger = await fixture.api.addKey(["admin"], { projectId: strangerId });
    const revoke = (by?: string): Promise<Response> =>
      fixture.api.request(
        "DELETE",
        `/v1/console-links/${one.id}`,
        by === undefined ? {} : { key: by },
      );
    expect((await revoke(stranger)).status).toBe(404);
    expect((await revoke(key)).status).toBe(403);
    expect((await elsewhere.get(path)).status).toBe(200);
    expect((await revoke()).status).toBe(204);
    expect((await elsewhere.get(path)).status).toBe(403);
    expect((await revoke()).status).toBe(204);
    expect(await isOver(other)).toBe(false);
    const { data } = await ask("GET", "/v1/audit-log?limit=100");
    const revoked = data.filter(({ action }: Json) => action === "console_link.revoked");
    expect(revoked.map(({ subject }: Json) => subject)).toEqual([one.id]);
  });

  test("a link ends with all others of the project when they are revoked; later ones are good", async () => {
    const before = await visitor(LIMITS.project());
    expect(await isOver(before)).toBe(false);
    await ask("DELETE", "/v1/console-links");
    expect(await isOver(before)).toBe(true);
    fixture.api.clock.advance(1);
    expect(await isOver(await visitor(LIMITS.project()))).toBe(false);
    const [entry] = (await ask("GET", "/v1/audit-log")).data;
    expect(entry.action).toBe("console_link.created");
  });

  test("an altered link opens nothing", async () => {
    const { path } = await visitor(LIMITS.subscription());
    const browser = fixture.browser();
    for (const altered of [
      path.replace(/.\/$/, "/"),
      "/console/links/x/",
      "/console/links/v2.0.A/",
    ]) {
      expect((await browser.get(altered)).status).toBe(404);
    }
    const session = await fixture.signedIn();
    const [sealed = ""] = session.cookies.values();
    expect((await browser.get(`/console/links/${sealed}/`)).status).toBe(404);
  });
});

describe("frames", () => {
  const policyOf = ({ headers }: BrowserPage): string =>
    /frame-ancestors ([^;]*)/.exec(headers.get("content-security-policy") ?? "")?.[1] ?? "";

  test("hold links only, and only in pages of the origins that the project lists", async () => {
    const to = await visitor(LIMITS.subscription());
    const path = `jobs/${acme.subscription.job.id}`;
    const unframed = await to.get(path);
    expect(policyOf(unframed)).toBe("'none'");
    expect(unframed.headers.get("x-frame-options")).toBe("DENY");
    const origins = [APP, "http://localhost:3000"];
    await ask("PATCH", "/v1/project", { frame_ancestors: origins });
    for (const page of [await to.get(path), await to.get("jobs")]) {
      expect(policyOf(page)).toBe(origins.join(" "));
      expect(page.headers.get("x-frame-options")).toBeNull();
      expect(page.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    }
    const admin = await fixture.signedIn();
    for (const one of [await admin.get("/console/jobs"), await admin.get("/console/sign-in")]) {
      expect(policyOf(one)).toBe("'none'");
      expect(one.headers.get("x-frame-options")).toBe("DENY");
    }
    await ask("PATCH", "/v1/project", { frame_ancestors: null });
    expect(policyOf(await to.get(path))).toBe("'none'");
  });

  test.each([
    "https://app.example.com/",
    "https://app.example.com/page",
    "http://app.example.com",
    "https://*.example.com",
    "*",
    "'self'",
    "https://a.example;script-src *",
    "https://a.example https://b.example",
    "javascript:alert(1)",
    "null",
    "",
  ])("an origin is spelled as browsers spell it: not %j", async (origin) => {
    const body = { frame_ancestors: [origin] };
    const response = await fixture.api.request("PATCH", "/v1/project", { body });
    expect(response.status).toBe(422);
  });

  test("frames are set in the form of the project, and links revoked there", async () => {
    const admin = await fixture.signedIn();
    const csrf = await admin.csrf();
    await admin.post("/console/project/change", {
      csrf,
      frame_ancestors: `${APP}, https://b.example`,
    });
    expect((await ask("GET", "/v1/project")).frame_ancestors).toEqual([APP, "https://b.example"]);
    const to = await visitor(LIMITS.project());
    await admin.post("/console/console-links/revoke-all", { csrf });
    expect((await to.get("overview")).status).toBe(403);
    fixture.api.clock.advance(1);
  });
});

describe("POST /v1/console-links", () => {
  test("making a link shows it, notes it without the value, and repeats it for a repeated request", async () => {
    const headers = { "idempotency-key": "link-1" };
    const body = { metadata: "customer=acme", may_redeliver: true, expires_in_s: 120 };
    const make = () => fixture.api.request("POST", "/v1/console-links", { body, key, headers });
    const [first, again] = [await make(), await make()];
    const link: Json = await first.json();
    expect(link).toEqual({
      id: expect.stringMatching(/^lnk_[0-9a-f]{32}$/),
      object: "console_link",
      url: expect.stringMatching(/^https:\/\/ringback\.example\.com\/console\/links\/[\w.-]+\/$/),
      subscription_id: null,
      metadata: "customer=acme",
      may_redeliver: true,
      expires_at: new Date(fixture.api.clock.now() + 120_000).toISOString(),
    });
    expect(await again.json()).toEqual(link);
    expect(link.url).not.toContain(hashApiKey(key));
    const [entry] = (await ask("GET", "/v1/audit-log")).data;
    expect(entry).toMatchObject({
      action: "console_link.created",
      details: { shows: "metadata customer", may_redeliver: "yes", expires_at: link.expires_at },
    });
    expect(JSON.stringify(entry)).not.toContain("acme");
  });

  test.each([
    ["both", () => ({ ...LIMITS.subscription(), ...LIMITS.metadata() }), "/metadata"],
    [
      "no such subscription",
      () => ({ subscription_id: `sub_${"0".repeat(32)}` }),
      "/subscription_id",
    ],
    ["no filter", () => ({ metadata: "customer" }), "/metadata"],
    ["more than a day", () => ({ expires_in_s: 86_401 }), "/expires_in_s"],
    ["less than a minute", () => ({ expires_in_s: 59 }), "/expires_in_s"],
  ])("refuses %s", async (_, wish, pointer) => {
    const response = await fixture.api.request("POST", "/v1/console-links", { body: wish(), key });
    expect(response.status).toBe(422);
    const problem: Json = await response.json();
    expect(problem.errors).toMatchObject([{ pointer }]);
  });

  test("making a link needs a key that sees what the link shows, and may send again", async () => {
    const statusOf = async (scope: Scope, body: object): Promise<number> => {
      const by = await fixture.api.addKey([scope]);
      return (await fixture.api.request("POST", "/v1/console-links", { body, key: by })).status;
    };
    for (const scope of ["subscriptions:write", "submit"] as const) {
      expect(await statusOf(scope, {})).toBe(403);
    }
    expect(await statusOf("subscriptions:read", { may_redeliver: true })).toBe(403);
    expect(await statusOf("subscriptions:read", {})).toBe(201);
    const projectId = fixture.api.uuid();
    await fixture.api.addProject(projectId, "makes links");
    const stranger = await fixture.api.addKey(["admin"], { projectId });
    const body = LIMITS.subscription();
    const response = await fixture.api.request("POST", "/v1/console-links", {
      body,
      key: stranger,
    });
    expect(response.status).toBe(422);
  });
});
