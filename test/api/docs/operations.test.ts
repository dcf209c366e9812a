import { afterAll, beforeAll, expect, it } from "vitest";
import { TAGS } from "../../../src/api/http/route.ts";
import { apiRoutes } from "../../../src/api/routes.ts";
import { ApiFixture, type Json } from "../api-fixture.ts";

let api: ApiFixture;
let document: Json;

beforeAll(async () => {
  api = await ApiFixture.open();
  document = await (await api.request("GET", "/openapi.json", { key: null })).json();
});
afterAll(() => api.close());

interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
}

const operations = (): Operation[] => Object.values<object>(document.paths).flatMap(Object.values);

it("names every operation with a unique identifier, a verb first", () => {
  const ids = operations().map(({ operationId }) => operationId ?? "");
  const served = apiRoutes(api.services).map(({ description }) => description.operationId);
  // Passed on, whatever its method and path.
  expect(ids.toSorted()).toEqual([...served, "submitThrough"].toSorted());
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z]+(?:[A-Z][a-z]*)*$/);
});

it("files every operation under one tag that has a description", () => {
  const described = new Map<string, string>(
    document.tags.map((tag: Json) => [tag.name, tag.description]),
  );
  for (const { operationId, tags = [] } of operations()) {
    expect(tags, operationId).toHaveLength(1);
    expect(described.get(tags[0] ?? ""), operationId).toMatch(/^[A-Z].*\.$/);
  }
  const used = new Set(operations().flatMap(({ tags = [] }) => tags));
  expect(Object.keys(TAGS).filter((tag) => !used.has(tag))).toEqual([]);
});
