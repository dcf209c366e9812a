import { readFile } from "node:fs/promises";
import { z } from "@hono/zod-openapi";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import { guidesDocument } from "./guides.ts";
import { PLAIN_PAGE_HEADERS, plainPage } from "./plain-page.ts";
import { API_PAGE, GUIDES_PAGE, type ReferencePage, referencePage } from "./reference-page.ts";
import { ERROR_PAGE_HEADERS, errorPage, isProblemCode } from "./error-page.ts";
import { refused } from "../http/problem.ts";
import { openApiDocument } from "./openapi.ts";
import type { ApiServices } from "../services.ts";
import { defineOpenRoute } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { once } from "../../runtime/once.ts";

const pageSchema = z.string().openapi({ example: "<!doctype html>…" });
const DOCUMENT = { status: 200, description: "The document.", schema: z.looseObject({}) } as const;
const PAGE = {
  status: 200,
  description: "A page.",
  schema: pageSchema,
  contentType: "text/html",
} as const;

type Bytes = Uint8Array<ArrayBuffer>;

/** The parts of the pages that are the same for all requests, each made once, when it is first asked for. */
interface Shared {
  readonly documentText: () => string;
  readonly plainPage: () => Promise<string>;
  readonly guides: () => string;
  readonly bundle: () => Promise<ReferenceBundle>;
}

/** The documentation of the given routes and of its own, for programs and for people. */
export function documentationRoutes(routes: readonly Route[], services: ApiServices): Route[] {
  // At the first request this gateway's own address is certain to be known.
  const wholeDocument = once(() =>
    openApiDocument(
      [...routes, ...documentation].map((route) => route.description),
      services.publicUrl(),
    ),
  );
  const shared: Shared = {
    documentText: once(() => JSON.stringify(wholeDocument())),
    plainPage: once(() => plainPage(wholeDocument())),
    guides: once(() => guidesDocument(services.version)),
    bundle: once(readReferenceBundle),
  };
  const documentation = [
    document(shared),
    ...referencePages(shared, services),
    script(shared),
    plain(shared),
    guides(shared),
    errors(),
  ];
  return documentation;
}

function document(shared: Shared): Route {
  return defineOpenRoute({
    operationId: "getOpenApiDocument",
    method: "GET",
    path: "/openapi.json",
    isCostly: true,
    tag: "Documentation",
    summary: "Get this API's OpenAPI 3.1 document",
    success: DOCUMENT,
    handle: () => jsonAnswer(200, shared.documentText()),
  });
}

/** Pages that the script of the reference shows. */
function referencePages(shared: Shared, services: ApiServices): Route[] {
  const shown = async (page: ReferencePage): Promise<Answer> => {
    const { version } = await shared.bundle();
    return referencePage(page, { version, gatewayUrl: services.publicUrl() });
  };
  return [
    defineOpenRoute({
      operationId: "getDocumentation",
      method: "GET",
      path: "/docs",
      tag: "Documentation",
      summary: "Get this API's documentation page",
      success: PAGE,
      handle: () => shown(API_PAGE),
    }),
    defineOpenRoute({
      operationId: "getGuidesPage",
      method: "GET",
      path: "/docs/guides",
      tag: "Documentation",
      summary: "Get the guides as a page",
      success: PAGE,
      handle: () => shown(GUIDES_PAGE),
    }),
  ];
}

function script(shared: Shared): Route {
  return defineOpenRoute({
    operationId: "getDocumentationScript",
    method: "GET",
    path: "/docs/reference.js",
    isCostly: true,
    tag: "Documentation",
    summary: "Get the script of the documentation page",
    success: {
      status: 200,
      description: "The script.",
      schema: z.string().openapi({ example: "…" }),
      contentType: "text/javascript",
    },
    async handle({ headers }) {
      const reference = await shared.bundle();
      const isCompressed = /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
      return {
        status: 200,
        headers: {
          "content-type": "text/javascript; charset=utf-8",
          "cache-control": "public, max-age=86400",
          vary: "accept-encoding",
          "x-content-type-options": "nosniff",
          ...(isCompressed && { "content-encoding": "gzip" }),
        },
        // A client that takes nothing compressed is rare, and its megabytes are not kept.
        body: () => {
          const gzipped = streamOf(reference.gzipped);
          return isCompressed ? gzipped : gzipped.pipeThrough(new DecompressionStream("gzip"));
        },
      };
    },
  });
}

function plain(shared: Shared): Route {
  return defineOpenRoute({
    operationId: "getPlainDocumentation",
    method: "GET",
    path: "/docs/plain",
    isCostly: true,
    tag: "Documentation",
    summary: "Get this API's documentation as a page that needs no script",
    success: PAGE,
    async handle() {
      return {
        status: 200,
        headers: PLAIN_PAGE_HEADERS,
        body: await shared.plainPage(),
      };
    },
  });
}

function guides(shared: Shared): Route {
  return defineOpenRoute({
    operationId: "getGuides",
    method: "GET",
    path: "/docs/guides.json",
    isCostly: true,
    tag: "Documentation",
    summary: "Get the guides, as the description of an OpenAPI document",
    success: DOCUMENT,
    handle: () => jsonAnswer(200, shared.guides()),
  });
}

function errors(): Route {
  return defineOpenRoute({
    operationId: "getErrorPage",
    method: "GET",
    path: "/docs/errors/{name}",
    tag: "Documentation",
    summary: "Get the page about an error code",
    description: "The `type` of each problem leads there.",
    success: PAGE,
    problems: ["not_found"],
    async handle({ name }) {
      if (isProblemCode(name)) {
        return { status: 200, headers: ERROR_PAGE_HEADERS, body: await errorPage(name) };
      }
      return refused("not_found", "There is no such error code; /openapi.json lists them all.");
    },
  });
}

function streamOf(bytes: Bytes): ReadableStream<Bytes> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

/** The script that shows an OpenAPI document in a browser. `tools/reference-bundle.ts` writes the files. */
interface ReferenceBundle {
  /** Changes with the script. */
  readonly version: string;
  readonly gzipped: Bytes;
}

/** It has more than a megabyte, so it is read when somebody first opens the documentation. */
async function readReferenceBundle(): Promise<ReferenceBundle> {
  const gzipped = await readFile(new URL("./reference.js.gz", import.meta.url));
  const source = JSON.parse(
    await readFile(new URL("./reference.js.json", import.meta.url), "utf8"),
  ) as { readonly version: string };
  return { version: source.version, gzipped };
}
