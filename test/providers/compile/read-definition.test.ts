import { describe, expect, test } from "vitest";
import {
  definitionJsonSchema,
  readDefinition,
} from "../../../src/providers/compile/read-definition.ts";
import { exampleSource } from "../example-provider.ts";

function problemsWith(changes: unknown): readonly { pointer: string; detail: string }[] {
  const reading = readDefinition(changes);
  return reading.ok ? [] : reading.problems;
}

describe("a definition with a mistake is refused with its place and what would be valid", () => {
  const request = (fields: object): object => ({ status: { path: "/{job_id}", ...fields } });
  const result = (fields: object): object => ({
    result: { kind: "request", request: { path: "/{job_id}" }, ...fields },
  });

  const ruleWithElements = (conditions: number): object => {
    const some = Array.from({ length: conditions }, () => ({ pointer: "/a", eq: 1 }));
    return { all: [{ pointer: "", some }], observe: "failed" };
  };

  test.for<[string, object, string, RegExp]>([
    ["a misspelt field", { titel: "x" }, "/titel", /unknown/],
    ["no title", { title: undefined }, "/title", /required: a string/],
    [
      "an unknown way to send the credential",
      { auth: { kind: "oauth" } },
      "/auth/kind",
      /"bearer"/,
    ],
    [
      "a misspelt status range",
      { rules: [{ http_status: "2xx", observe: "retry" }] },
      "/rules/0/http_status",
      /\{"gte": 200, "lte": 299\}/,
    ],
    [
      "an unknown observation",
      { rules: [{ observe: "paused" }] },
      "/rules/0/observe",
      /"running", "completed"/,
    ],
    [
      "an object to compare with",
      { rules: [{ all: [{ pointer: "/a", eq: {} }], observe: "retry" }] },
      "/rules/0/all/0/eq",
      /a text, a number, true, false or null/,
    ],
    [
      "a condition without a test",
      { rules: [{ all: [{ pointer: "/a" }], observe: "retry" }] },
      "/rules/0/all/0",
      /eq, in, not_eq, not_in, exists, empty, contains or some/,
    ],
    [
      "an element's condition without a test",
      { rules: [{ all: [{ pointer: "/a", some: [{ pointer: "" }] }], observe: "retry" }] },
      "/rules/0/all/0/some/0",
      /eq, in, not_eq, not_in, exists, empty, contains/,
    ],
    [
      "a pointer that leads endlessly deep",
      { rules: [{ all: [{ pointer: "/0".repeat(21), eq: 1 }], observe: "retry" }] },
      "/rules/0/all/0/pointer",
      /at most 20 levels deep/,
    ],
    [
      "more conditions on elements than can be afforded for each answer",
      { rules: Array.from({ length: 11 }, () => ruleWithElements(10)) },
      "/rules",
      /at most 100 conditions in "some"/,
    ],
    [
      "more of them for the second answer",
      result({ rules: Array.from({ length: 11 }, () => ruleWithElements(10)) }),
      "/result/rules",
      /at most 100 conditions in "some"/,
    ],
    [
      "a header's test without a test",
      { rules: [{ headers: [{ name: "x-left" }], observe: "retry" }] },
      "/rules/0/headers/0",
      /eq, in, contains, exists/,
    ],
    ["neither path nor URL", { status: {} }, "/status/path", /path or url_param/],
    [
      "both path and URL",
      request({ url_param: "status_url" }),
      "/status/url_param",
      /either path or url_param/,
    ],
    [
      "a rate at which nothing would ever be polled",
      { limits: { requests_per_second: 0.009 } },
      "/limits/requests_per_second",
      /0\.01/,
    ],
    [
      "more placeholders than a request may have",
      request({ method: "POST", body: { kind: "json", value: Array(201).fill("{job_id}") } }),
      "/status",
      /at most 200 placeholders, and this one has 202/,
    ],
    ["a body of a GET", request({ body: { kind: "json", value: 1 } }), "/status/body", /POST/],
    [
      "an unknown placeholder deep in a body",
      request({ method: "POST", body: { kind: "json", value: { a: [{ b: "{id}" }] } } }),
      "/status/body/value/a/0/b",
      /\{job_id\} and \{params\.<name>\}/,
    ],
    [
      "an unknown kind of body",
      request({ method: "POST", body: { kind: "xml" } }),
      "/status/body/kind",
      /"json".*"form"/,
    ],
    [
      "a placeholder in a header that takes from no answer",
      request({ headers: { "x-a": "{answer./a}" } }),
      "/status/headers/x-a",
      /knows only/,
    ],
    [
      "a header name in upper case",
      request({ headers: { "X-A": "b" } }),
      "/status/headers/X-A",
      /lower case/,
    ],
    [
      "a hint at two places",
      { poll_hints: [{ header: "a", pointer: "/a", unit: "s" }] },
      "/poll_hints/0",
      /either header or pointer/,
    ],
    [
      "progress that is neither",
      { extract: { progress: "/progress" } },
      "/extract/progress",
      /list of pointers, or an object/,
    ],
    ["an unknown kind of result", { result: { kind: "file" } }, "/result/kind", /"inline"/],
    ["places in a text", result({ format: "text", at: ["/a"] }), "/result/at", /format: json/],
    [
      "hosts for a request with the credential",
      result({ request: { url_at: ["/url"], hosts: ["*.example.net"] } }),
      "/result/request/hosts",
      /credential: false/,
    ],
    [
      "a broken pointer in a placeholder",
      result({ request: { path: "/{answer.id}" } }),
      "/result/request/path",
      /\{answer\.<JSON Pointer>\}/,
    ],
    [
      "an optional param in a path",
      { ...request({ path: "/{params.a}/{job_id}" }), params: { a: { optional: true } } },
      "/params/a/optional",
      /in a query only/,
    ],
    [
      "an optional param with a default",
      {
        ...request({ query: { a: "{params.a}" } }),
        params: { a: { optional: true, default: "b" } },
      },
      "/params/a/optional",
      /remove this/,
    ],
    ["a param that nothing uses", { params: { regoin: {} } }, "/params/regoin", /use: none/],
    [
      "a host with a port",
      { allowed_hosts: ["a.example:443"] },
      "/allowed_hosts/0",
      /without a port/,
    ],
    ["any host", { allowed_hosts: ["*"] }, "/allowed_hosts/0", /at least the domain/],
    ["any host of a top-level domain", { allowed_hosts: ["*.com"] }, "/allowed_hosts/0", /domain/],
    ["the name of an address", { name: "schema" }, "/name", /taken/],
  ])(
    "a definition with a mistake is refused with its place and the valid values: %s",
    ([, changes, pointer, detail]) => {
      expect(problemsWith({ ...exampleSource, ...changes })).toContainEqual({
        pointer,
        detail: expect.stringMatching(detail),
      });
    },
  );

  test("all mistakes of a definition are reported at once", () => {
    const changes = { title: "", rules: [], schedule: { kind: "fixed", interval_s: 0 } };
    const places = problemsWith({ ...exampleSource, ...changes }).map(({ pointer }) => pointer);
    expect(places).toStrictEqual(["/title", "/rules", "/schedule/interval_s"]);
  });

  test.for<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a text", "{}"],
    ["a list", [exampleSource]],
  ])("a text that is not a definition is refused: %s", ([, json]) => {
    expect(problemsWith(json)).toStrictEqual([
      { pointer: "", detail: expect.stringMatching(/an object/) },
    ]);
  });
});

describe("a hostile definition", () => {
  const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

  test("an endlessly nested definition is refused before anything walks through it", () => {
    const body = { kind: "json", value: nested(100_000) };
    const status = { method: "POST", path: "/{job_id}", body };
    expect(problemsWith({ ...exampleSource, status })).toStrictEqual([
      { pointer: "", detail: expect.stringContaining("levels deep") },
    ]);
  });

  test("a definition with too many values is refused", () => {
    const rules = Array.from({ length: 50_000 }, () => ({ observe: "retry" }));
    expect(problemsWith({ ...exampleSource, rules })).toStrictEqual([
      { pointer: "", detail: expect.stringContaining("values") },
    ]);
  });

  test("a definition can't reach a prototype", () => {
    const own = JSON.stringify(exampleSource).slice(1);
    for (const json of [
      `{"__proto__":{"polluted":1},${own}`,
      `{"headers":{"__proto__":"x"},${own}`,
    ]) {
      readDefinition(JSON.parse(json));
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

test("the JSON Schema describes every field", () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, place: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties = {} } = schema as { properties?: Record<string, object> };
    for (const [name, property] of Object.entries(properties)) {
      const isNamed = "description" in property || "const" in property;
      if (!isNamed) undescribed.push(`${place}/${name}`);
    }
    for (const [key, inner] of Object.entries(schema)) visit(inner, `${place}/${key}`);
  };
  visit(definitionJsonSchema(), "");
  expect(undescribed).toStrictEqual([]);
});
