import type { RequestBindings } from "../../api/app.ts";
import type { ConsoleLink } from "../../api/console-links/link.ts";
import type { Scope } from "../../core/scopes.ts";
import type { ApiFetch, ProblemBody } from "../http/gateway-api.ts";

const READ: readonly Scope[] = ["subscriptions:read"];
const WRITE: readonly Scope[] = ["subscriptions:read", "subscriptions:write"];

const JOB = /^\/v1\/jobs\/(job_[0-9a-f]{32})\/explain$/;
const EVENT = /^\/v1\/events\/(evt_[0-9a-f]{32})(?:\/result(?:-part)?)?$/;
const REDELIVER = /^\/v1\/deliveries\/(msg_[0-9a-f]{32})\/redeliver$/;

/**
 * The API as a link may use it: a request for anything that the link does not show is answered with 404
 * before it reaches the API. Whatever a page asks for, this is what keeps a link to its part.
 */
export class LimitedApi {
  readonly #fetch: ApiFetch;
  readonly #link: ConsoleLink;

  constructor(fetch: ApiFetch, link: ConsoleLink) {
    this.#fetch = fetch;
    this.#link = link;
  }

  readonly fetch: ApiFetch = async (request, bindings) => {
    const url = new URL(request.url);
    const { method } = request;
    const [, delivery] = REDELIVER.exec(url.pathname) ?? [];
    if (method === "POST" && delivery !== undefined) {
      const mayBeSent = this.#link.mayRedeliver && (await this.#showsDelivery(delivery, bindings));
      return mayBeSent ? this.#fetch(request, { ...bindings, sessionScopes: WRITE }) : NOT_FOUND();
    }
    if (method !== "GET" || !(await this.#isShown(url, bindings))) return NOT_FOUND();
    return this.#get(url, bindings, request.headers);
  };

  /** Narrows the address where a list or an explanation has a part that is not shown. */
  async #isShown(url: URL, bindings: RequestBindings): Promise<boolean> {
    const { limit } = this.#link;
    if (limit.kind === "project") return true;
    const { pathname, searchParams } = url;
    if (pathname === "/v1/subscriptions") {
      if (limit.kind !== "metadata") return false;
      searchParams.set("metadata", limit.filter);
      return true;
    }
    if (JOB.test(pathname)) {
      this.#narrow(searchParams);
      return true;
    }
    if (pathname === "/v1/events") return this.#showsJob(searchParams.get("job"), bindings);
    const [, event] = EVENT.exec(pathname) ?? [];
    if (event === undefined) return false;
    const found = await this.#json<{ job: { id: string } }>(`/v1/events/${event}`, bindings);
    return found !== null && this.#showsJob(found.job.id, bindings);
  }

  /** Leaves of an explanation the subscriptions that are shown; without any it is a 404. */
  #narrow(query: URLSearchParams): void {
    const { limit } = this.#link;
    if (limit.kind === "subscription") query.set("subscription_id", limit.id);
    if (limit.kind === "metadata") query.set("metadata", limit.filter);
  }

  async #showsJob(
    id: string | null,
    bindings: RequestBindings,
    subscription: string | null = null,
  ): Promise<boolean> {
    if (id === null) return false;
    const query = new URLSearchParams();
    if (subscription !== null) query.set("subscription_id", subscription);
    this.#narrow(query);
    const path = `/v1/jobs/${encodeURIComponent(id)}/explain?${query.toString()}`;
    return (await this.#json(path, bindings)) !== null;
  }

  async #showsDelivery(id: string, bindings: RequestBindings): Promise<boolean> {
    const { limit } = this.#link;
    if (limit.kind === "project") return true;
    const delivery = await this.#json<{ subscription_id: string }>(
      `/v1/deliveries/${id}`,
      bindings,
    );
    if (delivery === null) return false;
    const { subscription_id: of } = delivery;
    if (limit.kind === "subscription") return of === limit.id;
    const found = await this.#json<{ job: { id: string } }>(`/v1/subscriptions/${of}`, bindings);
    return found !== null && this.#showsJob(found.job.id, bindings, of);
  }

  /** Null unless it is there. */
  async #json<Answer>(path: string, bindings: RequestBindings): Promise<Answer | null> {
    const response = await this.#get(new URL(path, "http://localhost"), bindings);
    if (response.status === 200) return (await response.json()) as Answer;
    await response.body?.cancel();
    return null;
  }

  async #get(url: URL, bindings: RequestBindings, headers?: Headers): Promise<Response> {
    const request = new Request(url, headers === undefined ? {} : { headers });
    return this.#fetch(request, { ...bindings, sessionScopes: READ });
  }
}

const NOT_FOUND = (): Response => {
  const body: ProblemBody = {
    title: "Not found",
    status: 404,
    detail: "The link does not include this page.",
    code: "not_found",
  };
  return Response.json(body, { status: 404 });
};
