import type { Hono } from "hono";
import { createApp } from "../../src/api/app.ts";
import type { ApiServices } from "../../src/api/services.ts";
import { DescribedAnswers } from "./described-answers.ts";

/** The API, each of whose answers to `request` is checked against its own document. */
export function checkedApp(services: ApiServices): Hono {
  const app = createApp(services);
  const request = app.request.bind(app);
  let described: Promise<DescribedAnswers> | undefined;
  const describe = async (): Promise<DescribedAnswers> =>
    new DescribedAnswers((await (await request("/openapi.json")).json()) as object);
  app.request = async (input, init, ...rest) => {
    const response = await request(input, init, ...rest);
    const { method = "GET" } = input instanceof Request ? input : (init ?? {});
    const { pathname } = new URL(input instanceof Request ? input.url : input, "http://gateway");
    const { status, headers } = response;
    described ??= describe();
    const head = { method, path: pathname, status, headers };
    await (await described).check(head, () => response.clone().text());
    return response;
  };
  return app;
}
