import type { z } from "@hono/zod-openapi";
import type { ProblemCode } from "../../core/error-codes.ts";
import type { Page, PageQuery } from "../../store/sql/page.ts";
import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import { jsonAnswer, pageAnswer } from "./answer.ts";
import type { Refusal } from "../../core/problem.ts";
import {
  defineRoute,
  notFound,
  type Route,
  type RouteDescription,
  type RouteRequest,
} from "./route.ts";
import { type IdKind, publicId } from "../../core/ids/ids.ts";
import type { Database } from "../../store/db/database.ts";

/** The query parameters of every list; `pagingParameters` reads them. */
interface PagedQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

type ListSpec<Query extends PagedQuery, Row> = Omit<
  RouteDescription,
  "method" | "scope" | "success" | "query" | "body" | "problems"
> & {
  readonly scope: NonNullable<RouteDescription["scope"]>;
  readonly query: z.ZodObject & z.ZodType<Query>;
  /** Made by `pageSchemaOf`. */
  readonly schema: z.ZodType;
  readonly problems?: readonly ProblemCode[];
  readonly find: (
    wanted: PageQuery,
    request: RouteRequest<Query, undefined>,
  ) => Promise<Page<Row> | Refusal>;
  /** The rows as JSON texts. */
  readonly items: (
    rows: readonly Row[],
    request: RouteRequest<Query, undefined>,
  ) => readonly string[] | Promise<readonly string[]>;
};

/** A list of a project's rows in pages, newest first. A cursor is good for the same filters only. */
export function defineListRoute<Query extends PagedQuery, Row>(spec: ListSpec<Query, Row>): Route {
  const { schema, find, items, problems = [], ...description } = spec;
  return defineRoute<Query>({
    ...description,
    method: "GET",
    success: { status: 200, description: "A page of results.", schema },
    problems: ["invalid_cursor", ...problems],
    async handle(request) {
      const { projectId } = request.caller;
      const { cursor, limit, ...filters } = request.query;
      const { id, name } = request;
      const place = { ...filters, ...(id !== "" && { id }), ...(name !== "" && { name }) };
      const scope = listScope(spec.operationId, projectId, place);
      const beforeId = decodeCursor(scope, cursor);
      if (!beforeId.ok) return beforeId;
      const page = await find({ projectId, beforeId: beforeId.value, limit }, request);
      if ("problem" in page) return page;
      const { lastId } = page;
      return pageAnswer(
        await items(page.rows, request),
        lastId === null ? null : encodeCursor(scope, lastId),
      );
    },
  });
}

type ReadSpec<Row> = Omit<RouteDescription, "method" | "scope" | "idKind" | "query" | "body"> & {
  readonly scope: NonNullable<RouteDescription["scope"]>;
  readonly idKind: IdKind;
  /** Null when the project has no such row. */
  readonly find: (
    database: Database,
    key: { readonly projectId: string; readonly id: string },
  ) => Promise<Row | null>;
  /** The row as a JSON text. */
  readonly json: (
    row: Row,
    request: RouteRequest<undefined, undefined>,
  ) => string | Promise<string>;
};

/** One row of a project by its id, or 404. */
export function defineReadRoute<Row>({ find, json, ...description }: ReadSpec<Row>): Route {
  const { idKind } = description;
  return defineRoute({
    ...description,
    method: "GET",
    async handle(request) {
      const { database, caller, id } = request;
      const found = await find(database, { projectId: caller.projectId, id });
      if (found === null) return notFound(idKind, publicId(idKind, id));
      return jsonAnswer(200, await json(found, request));
    },
  });
}
