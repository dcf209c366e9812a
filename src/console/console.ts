import { Hono } from "hono";
import type { Context } from "hono";
import { Assets } from "./assets.ts";
import { CONSOLE_PATH, type ConsoleServices } from "./http/services.ts";
import { OneTimeLinks } from "./http/one-time-links.ts";
import { Responder } from "./http/responder.ts";
import { consoleRoutes } from "./routes.ts";

/**
 * The web console: pages made of what the API answers to the key of who is signed in. To be mounted
 * at the root, where it takes what is under `/console`.
 */
export class Console {
  readonly app: Hono;
  readonly #links: OneTimeLinks;

  constructor(services: ConsoleServices) {
    this.#links = new OneTimeLinks(services.clock);
    this.app = createApp(services, this.#links);
  }

  /**
   * A path that signs in once, within minutes.
   * @param keyHash of the API key that it signs in with
   */
  oneTimePath(keyHash: string): string {
    return `${CONSOLE_PATH}/sign-in/${this.#links.issue(keyHash)}`;
  }
}

type Answer = (context: Context) => Promise<Response>;

function createApp(services: ConsoleServices, oneTimeLinks: OneTimeLinks): Hono {
  const app = new Hono();
  const assets = new Assets();
  const responder = new Responder(services, assets);
  const add = (method: string, path: string, answer: Answer): void => {
    const route = CONSOLE_PATH + path;
    app.on(method, route, (context) => measured(services, { context, route }, answer));
  };
  // Without the slash, the relative links of a page would lead out of the console.
  app.get(CONSOLE_PATH, (context) => context.redirect("console/"));
  app.get(`${CONSOLE_PATH}/assets/:version/:name`, async (context) => {
    const { version, name } = context.req.param();
    const accepted = context.req.header("accept-encoding") ?? "";
    return (await assets.answer(version, name, accepted)) ?? context.text("Not found", 404);
  });
  add("GET", "/sign-in", (context) => responder.signInForm(context));
  add("POST", "/sign-in", (context) => responder.signIn(context));
  add("GET", "/sign-in/:token", (context) =>
    responder.signInOnce(context, oneTimeLinks.use(context.req.param("token") ?? "")),
  );
  add("POST", "/sign-out", (context) => responder.signOut(context));
  for (const route of consoleRoutes(services.sandbox)) {
    add(route.method, route.path, (context) => responder.answer(context, route));
    const path = `/links/:link${route.path}`;
    add(route.method, path, (context) => responder.answerLink(context, route));
  }
  // Without the slash, the relative links of a page would lead out of the link.
  app.get(`${CONSOLE_PATH}/links/:link`, (context) =>
    context.redirect(`${encodeURIComponent(context.req.param("link"))}/`),
  );
  app.all(`${CONSOLE_PATH}/links/:link/*`, (context) =>
    measured(services, { context, route: `${CONSOLE_PATH}/links/:link/*` }, () =>
      responder.answerLink(context, null),
    ),
  );
  app.all(`${CONSOLE_PATH}/*`, (context) =>
    measured(services, { context, route: `${CONSOLE_PATH}/*` }, () => responder.notFound(context)),
  );
  return app;
}

async function measured(
  { clock, metrics }: ConsoleServices,
  { context, route }: { readonly context: Context; readonly route: string },
  answer: Answer,
): Promise<Response> {
  const startedAtMs = clock.monotonic();
  const response = await answer(context);
  const durationMs = clock.monotonic() - startedAtMs;
  metrics.recordRequest({ route, method: context.req.method, status: response.status, durationMs });
  return response;
}
