import { expect, test } from "vitest";
import { OperatorOrigins } from "../../../src/outbound/guard/operator-origins.ts";

const PULSE = "http://pulse.internal";
const SANDBOX = "http://127.0.0.1:8080";
const origins = new OperatorOrigins("operator", [
  { provider: "pulse", origin: PULSE },
  { provider: "sandbox", origin: SANDBOX },
]);

const operators = { projectId: "operator", provider: "pulse", isOperatorsDefinition: true };

test("the connection of the environment is trusted with its own origin", () => {
  expect(origins.trusts({ ...operators, baseUrl: `${PULSE}/v1` }, PULSE)).toBe(true);
  expect(origins.trusts({ ...operators, baseUrl: SANDBOX }, SANDBOX)).toBe(false);
});

test("a definition of the operator is trusted with the address that it names itself", () => {
  const sandbox = { projectId: "other", provider: "sandbox", isOperatorsDefinition: true };
  expect(origins.trusts({ ...sandbox, baseUrl: null }, SANDBOX)).toBe(true);
  expect(origins.trusts({ ...sandbox, baseUrl: null }, "http://10.0.0.1")).toBe(false);
});

test.each([
  ["another project's connection", { ...operators, projectId: "other" }],
  ["a connection of another provider", { ...operators, provider: "fal" }],
  ["a project's own definition", { ...operators, isOperatorsDefinition: false }],
])("%s is not", (_, connection) => {
  expect(origins.trusts({ ...connection, baseUrl: PULSE }, PULSE)).toBe(false);
});

test("a project's own definition is not trusted with the address that it names itself", () => {
  const own = { projectId: "operator", provider: "own", isOperatorsDefinition: false };
  expect(origins.trusts({ ...own, baseUrl: null }, SANDBOX)).toBe(false);
});
