import { describe, expect, test } from "vitest";
import { builtInProviders } from "../../support/providers.ts";
import { readSubmission } from "../../../src/providers/submission/submission.ts";
import { type SubmissionFixture, SUBMISSION_ORIGIN, SUBMISSIONS } from "./submissions.fixtures.ts";

const PROVIDERS = builtInProviders();

function read(name: string, fixture: SubmissionFixture) {
  const provider = PROVIDERS.get(name);
  if (provider === undefined) throw new Error(`There is no provider ${name}.`);
  const [method = "", path = ""] = fixture.request.split(" ");
  const { requestHeaders = {}, status = 200, headers = {}, body = "" } = fixture;
  return readSubmission(
    provider,
    { method, path, url: SUBMISSION_ORIGIN + path, headers: requestHeaders },
    {
      status,
      headers,
      body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    },
  );
}

describe.each(Object.entries(SUBMISSIONS))("%s", (name, fixtures) => {
  test.each(fixtures.map((fixture) => [fixture.request, fixture] as const))(
    "this provider's submissions are read: the answer to %s",
    (_, fixture) => {
      const job = read(name, fixture);
      if (fixture.submits === null) return expect(job).toBeNull();
      const { id, params = {} } = fixture.submits;
      expect(job).toMatchObject({ jobId: id, params });
      expect(Object.keys(job?.params ?? {})).toEqual(Object.keys(params));
    },
  );

  test("this provider's submissions have every param that its status requests need", () => {
    const provider = PROVIDERS.get(name);
    for (const fixture of fixtures) {
      const job = fixture.submits && read(name, fixture);
      if (job === null) continue;
      const missing = provider?.requiredParams.filter((param) => !(param in job.params));
      expect(missing).toEqual([]);
    }
  });

  test("this provider has a fixture for every kind of submission", () => {
    const submissions = PROVIDERS.get(name)?.submissions ?? [];
    if (submissions === "recognize") return;
    const entries = submissions.map((_entry, index) => `/submit/${index}`);
    const used = new Set(fixtures.flatMap((fixture) => read(name, fixture)?.recognizedBy ?? []));
    const unused = entries.filter((entry) => !used.has(entry));
    // Entries that are made from a list of words are alike.
    if (["runway", "aws-textract"].includes(name)) expect(used.size).toBeGreaterThan(0);
    else expect(unused).toEqual([]);
  });
});

test("every provider but the sandbox says how its jobs are submitted", () => {
  const silent = [...PROVIDERS.values()].filter(({ submissions }) => submissions.length === 0);
  expect(silent.map(({ name }) => name)).toEqual(["sandbox"]);
  expect(Object.keys(SUBMISSIONS).sort()).toEqual(
    [...PROVIDERS.keys()].filter((name) => name !== "sandbox").sort(),
  );
});
