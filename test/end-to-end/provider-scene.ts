/** A definition for the fake upstream's words, as a client would put it. */
export function acmeDefinition(baseUrl: string, changes: object = {}): object {
  return {
    title: "Acme",
    base_url: baseUrl,
    auth: { kind: "header", name: "x-api-key" },
    status: { path: "/job/{job_id}" },
    rules: [
      { all: [{ pointer: "/status", eq: "processing" }], observe: "running" },
      { all: [{ pointer: "/status", eq: "completed" }], observe: "completed" },
    ],
    extract: { status: ["/status"], error: ["/error"] },
    result: { kind: "inline", at: ["/result"] },
    schedule: { kind: "fixed", interval_s: 0.05 },
    ...changes,
  };
}

/** Under this one what was a completion is a failure. */
export const OTHER_RULES = {
  rules: [
    { all: [{ pointer: "/status", eq: "processing" }], observe: "running" },
    { all: [{ pointer: "/status", eq: "completed" }], observe: "failed" },
  ],
};

export const ACME_KEY = "acme-key-of-the-scene";
