import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RouteDescription } from "../../src/api/http/route.ts";
import { apiRoutes } from "../../src/api/routes.ts";
import { checkedApp } from "../support/checked-app.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

/*
 * Floods of what needs no key. Whatever takes long is refused beyond a rate for each address, and a health check
 * never is.
 */

let api: ApiFixture;
let routes: readonly RouteDescription[];
let addresses = 0;
beforeAll(async () => {
  api = await ApiFixture.open();
  routes = apiRoutes(api.services)
    .map(({ description }) => description)
    .filter(({ scope }) => scope === null);
});
afterAll(() => api.close());

const COSTLY_BURST = 60;
const OPEN_BURST = 1_000;
const REFUSED_KEYS_BURST = 300;
/** Larger answers take longer to send than a refusal does. */
const CHEAP_BYTES_MAX = 16 * 1024;

const newAddress = (): string => `198.51.100.${(addresses += 1)}`;

const ask = (
  path: string,
  { address, headers = {}, app = api.app }: Asking,
): Response | Promise<Response> =>
  app.request(path, { headers }, { incoming: { socket: { remoteAddress: address } } });

interface Asking {
  readonly address: string;
  readonly headers?: Record<string, string>;
  readonly app?: ApiFixture["app"];
}

async function statuses(path: string, times: number, asking: Asking): Promise<Set<number>> {
  const seen = new Set<number>();
  for (let time = 0; time < times; time += 1) seen.add((await ask(path, asking)).status);
  return seen;
}

const pathOf = ({ path }: RouteDescription): string => path.replace("{name}", "unauthorized");

it("each public answer that is large or made at length is refused to an address that asks too often, and to no other", async () => {
  const costly: string[] = [];
  for (const route of routes) {
    const path = pathOf(route);
    const address = newAddress();
    const length = (await (await ask(path, { address })).arrayBuffer()).byteLength;
    expect(await statuses(path, COSTLY_BURST - 1, { address })).toEqual(new Set([200]));
    const next = await ask(path, { address });
    if (next.status === 200) {
      expect(length, path).toBeLessThan(CHEAP_BYTES_MAX);
      continue;
    }
    expect(await problemOf(next)).toMatchObject({ code: "too_many_requests" });
    expect(next.headers.get("retry-after")).toBe("1");
    expect((await ask(path, { address: newAddress() })).status).toBe(200);
    costly.push(path);
  }
  expect(costly).toEqual([
    "/v1/providers/schema",
    "/metrics",
    "/openapi.json",
    "/docs/reference.js",
    "/docs/plain",
    "/docs/guides.json",
  ]);
});

it.each(["/healthz", "/readyz"])(
  "%s is never refused to an address that floods everything without a key",
  async (path) => {
    const address = newAddress();
    await statuses("/metrics", COSTLY_BURST + 1, { address });
    await statuses("/no-such-path", OPEN_BURST, { address });
    expect(await statuses(path, OPEN_BURST + 1, { address })).toEqual(new Set([200]));
  },
);

it("a program of this machine scrapes as often as it asks, and none through a proxy on it", async () => {
  const address = "127.0.0.1";
  const local = await statuses("/metrics", COSTLY_BURST + 1, { address });
  expect(local).toEqual(new Set([200]));
  const headers = { "x-forwarded-for": "203.0.113.7" };
  const proxied = await statuses("/metrics", COSTLY_BURST + 1, { address, headers });
  expect(proxied).toEqual(new Set([200, 429]));
});

it("the holder of the metrics token scrapes as often as it asks, also from an address of others without it", async () => {
  const token = "0123456789abcdef";
  const app = checkedApp({ ...api.services, metricsToken: token });
  const address = newAddress();
  expect(await statuses("/metrics", REFUSED_KEYS_BURST, { address, app })).toEqual(new Set([401]));
  expect(await statuses("/metrics", 1, { address, app })).toEqual(new Set([429]));
  const headers = { authorization: `Bearer ${token}` };
  const scrapes = await statuses("/metrics", COSTLY_BURST + 1, { address, app, headers });
  expect(scrapes).toEqual(new Set([200]));
});

it("the script of the documentation is the same for a client that takes nothing compressed", async () => {
  const address = newAddress();
  const plain = await ask("/docs/reference.js", { address });
  expect(plain.headers.get("content-encoding")).toBeNull();
  const headers = { "accept-encoding": "gzip" };
  const gzipped = await ask("/docs/reference.js", { address, headers });
  const bytes = Buffer.from(await plain.arrayBuffer());
  expect(bytes.equals(gunzipSync(await gzipped.arrayBuffer()))).toBe(true);
});
