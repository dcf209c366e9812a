import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { DONE, J, type Reply, RUNNING, type UpstreamCase } from "./upstream-walk.ts";

/* Answers of other shapes than one JSON object about one job. */

/** A text that says by itself how the job goes. */
const WORDS: Partial<ProviderDefinitionSource> = {
  status: { path: "/jobs/{job_id}", format: "text" },
  rules: [
    { all: [{ pointer: "", eq: "RUNNING" }], observe: "running" },
    { all: [{ pointer: "", eq: "DONE" }], observe: "completed" },
  ],
  extract: { status: [""] },
  result: { kind: "inline" },
};

function text(body: string, type = "text/plain"): Reply {
  return { headers: { "content-type": type }, body };
}

/** A text in which the rules look for a part. */
function withPart(part: string): Partial<ProviderDefinitionSource> {
  return {
    status: { path: "/jobs/{job_id}", format: "text" },
    rules: [
      { all: [{ pointer: "", contains: part }], observe: "completed" },
      { http_status: 200, observe: "running" },
    ],
    result: { kind: "inline" },
  };
}

const TEXTS: readonly UpstreamCase[] = [
  {
    title: "a status that is a plain word is read, blanks and case around it or not",
    sources: ["vivek12345/react-polling#13"],
    definition: WORDS,
    answers: { [J]: [text("RUNNING"), text("running\r\n"), text("DONE\n")] },
    forS: 5,
    ends: { j: { type: "job.completed", result: JSON.stringify("DONE\n"), pollCount: 3 } },
  },
  {
    title: "a plain word that no rule knows is shown while the job runs on",
    sources: ["vivek12345/react-polling#13"],
    definition: WORDS,
    answers: { [J]: [text("PAUSED")] },
    forS: 2,
    says: /unknown status "PAUSED"/,
  },
  {
    title: "a status in XML is found in its text",
    sources: ["vivek12345/react-polling#13"],
    definition: withPart("<status>done</status>"),
    answers: {
      [J]: [
        text("<job><status>running</status></job>", "application/xml"),
        text("<job><status>done</status></job>", "application/xml"),
      ],
    },
    forS: 5,
    ends: { j: { type: "job.completed", result: '"<job><status>done</status></job>"' } },
  },
  {
    title: "the event that ends a stream of server-sent events is found in its text",
    sources: ["gradio-app/gradio#7331", "gradio-app/gradio#11950"],
    definition: withPart("event: complete"),
    answers: {
      [J]: [
        text("event: heartbeat\ndata: null\n\n", "text/event-stream"),
        text('event: complete\ndata: [{"path":"/x.png"}]\n\n', "text/event-stream"),
      ],
    },
    forS: 5,
    ends: {
      j: {
        type: "job.completed",
        result: JSON.stringify('event: complete\ndata: [{"path":"/x.png"}]\n\n'),
      },
    },
  },
  {
    title: "text that is declared as Latin-1 is read so",
    sources: ["guzzle/guzzle#310"],
    definition: withPart("fin"),
    answers: {
      [J]: [
        {
          headers: { "content-type": "text/plain; charset=iso-8859-1" },
          body: Buffer.from("fin: Caf\xe9", "latin1"),
        },
      ],
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"fin: Café"' } },
  },
];

/** ComfyUI's history: an object of jobs by id. */
const HISTORY: Partial<ProviderDefinitionSource> = {
  status: { path: "/history/{job_id}", job_at: { pointer: "", missing: "running" } },
  rules: [{ all: [{ pointer: "/status/completed", eq: true }], observe: "completed" }],
  result: { kind: "inline", at: ["/outputs"] },
};

/** A list of jobs. */
function listAt(
  pointer: string,
  missing: "not_found" | "running" = "not_found",
): Partial<ProviderDefinitionSource> {
  return { status: { path: "/jobs", job_at: { pointer, id: "/id", missing } } };
}

const OTHER = { id: "other", status: "done", result: "theirs" };

const SEVERAL: readonly UpstreamCase[] = [
  {
    title:
      "a job that answers hold as a member by its id is read there, and runs while it is missing",
    sources: [
      "SillyTavern/SillyTavern#5790",
      "mason276752/n8n-nodes-comfyui#16",
      "mason276752/n8n-nodes-comfyui#17",
    ],
    definition: HISTORY,
    jobs: { "j-1": {} },
    answers: {
      "/history/j-1": [
        { body: {} },
        {
          body: {
            "j-1": {
              outputs: { 9: { images: [{ filename: "a.png" }] } },
              status: { status_str: "success", completed: true },
            },
          },
        },
      ],
    },
    forS: 5,
    ends: {
      "j-1": { type: "job.completed", result: '{"9":{"images":[{"filename":"a.png"}]}}' },
    },
  },
  {
    title: "a job that is one of a list is found there by its id, with its own result",
    sources: ["philpax/rucomfyui#4"],
    definition: listAt(""),
    jobs: { "j-2": {} },
    answers: {
      "/jobs": [
        { body: [OTHER, { id: "j-2", status: "running" }] },
        { body: [OTHER, { id: "j-2", status: "done", result: "mine" }] },
      ],
    },
    forS: 5,
    ends: { "j-2": { type: "job.completed", result: '"mine"' } },
  },
  {
    title: "a job is found in a list by a 64-bit number of which no digit differs",
    sources: ["philpax/rucomfyui#4", "VoidenHQ/voiden#417"],
    definition: listAt("/jobs"),
    jobs: { "174322306148984899": {} },
    answers: {
      "/jobs": [
        {
          body:
            '{"jobs":[{"id":174322306148984900,"status":"done","result":"theirs"},' +
            '{"id":174322306148984899,"status":"done","result":"mine"}]}',
        },
      ],
    },
    forS: 1,
    ends: { "174322306148984899": { type: "job.completed", result: '"mine"' } },
  },
  {
    title: "a job that is missing from a list has expired once that is confirmed, not before",
    sources: ["philpax/rucomfyui#4"],
    definition: listAt(""),
    answers: { "/jobs": [{ body: [{ id: "j", status: "running" }] }, { body: [OTHER] }] },
    forS: 60,
    ends: { j: { type: "job.expired" } },
  },
  {
    title: "a job that is missing from one list of many goes on",
    sources: ["philpax/rucomfyui#4"],
    definition: listAt(""),
    answers: {
      "/jobs": [
        { body: [{ id: "j", status: "running" }] },
        { body: [] },
        { body: [{ ...OTHER, id: "j" }] },
      ],
    },
    forS: 10,
    ends: { j: { type: "job.completed", result: '"theirs"' } },
  },
  {
    title: "an answer that holds no jobs where they are expected is no ending, and is told",
    sources: ["philpax/rucomfyui#4"],
    definition: listAt("/jobs"),
    answers: { "/jobs": [{ body: { jobs: "none of your business" } }] },
    forS: 0.5,
    says: /^HTTP 200: \/jobs is not a list of jobs \(status\.job_at\)\./,
  },
  {
    title: "an answer about an error is read whole, though jobs are in a list",
    sources: ["philpax/rucomfyui#4"],
    definition: listAt("/jobs"),
    answers: { "/jobs": [{ status: 500, body: { error: "out of memory" } }] },
    forS: 0.5,
    says: /^HTTP 500: out of memory/,
  },
];

const REQUESTS: readonly UpstreamCase[] = [
  {
    title: "an id goes out as a JSON number where the definition says that it is one",
    sources: ["BeamMW/beam#865"],
    definition: {
      status: {
        method: "POST",
        path: "/status",
        body: { kind: "json", value: { id: "{#job_id}", of: ["{#job_id}", "{job_id}"] } },
      },
    },
    jobs: { "174322306148984899": {} },
    answers: {
      "/status": ({ body }) => ({ body: `{"status":"done","result":${String(body)}}` }),
    },
    forS: 1,
    ends: {
      "174322306148984899": {
        type: "job.completed",
        result: '{"id":174322306148984899,"of":[174322306148984899,"174322306148984899"]}',
      },
    },
  },
  {
    title: "an id that is no number stays a text, whatever it holds",
    sources: ["BeamMW/beam#865"],
    definition: {
      status: {
        method: "POST",
        path: "/status",
        body: { kind: "json", value: { id: "{#job_id}" } },
      },
    },
    jobs: { '1,"x":2': {} },
    answers: {
      "/status": ({ body }) => ({ body: `{"status":"done","result":${String(body)}}` }),
    },
    forS: 1,
    ends: { '1,"x":2': { type: "job.completed", result: '{"id":"1,\\"x\\":2"}' } },
  },
  {
    title: "a result whose URL is in a header of the last answer is asked for there",
    sources: ["json-api/json-api#781", "json-api/json-api#1223"],
    definition: {
      rules: [
        { http_status: 202, observe: "running" },
        { http_status: 201, observe: "completed" },
      ],
      result: {
        kind: "request",
        request: { url_at: ["/result_url", { header: "location" }] },
      },
    },
    answers: {
      [J]: [{ status: 202 }, { status: 201, headers: { location: "/results/abc-1" } }],
      "/results/abc-1": [{ body: { answer: 42 } }],
    },
    forS: 5,
    ends: { j: { type: "job.completed", result: '{"answer":42}' } },
    requests: [J, J, "/results/abc-1"],
  },
  {
    title: "a result whose URL is in the header of a redirect that a rule knows is asked for there",
    sources: ["json-api/json-api#781"],
    definition: {
      rules: [
        { http_status: 200, observe: "running" },
        { http_status: 303, observe: "completed" },
      ],
      result: { kind: "request", request: { url_at: [{ header: "location" }] } },
    },
    answers: {
      [J]: [RUNNING, { status: 303, headers: { location: "../results/abc-1" } }],
      "/results/abc-1": [DONE],
    },
    forS: 5,
    ends: { j: { type: "job.completed" } },
    requests: [J, J, "/results/abc-1"],
  },
];

export const SHAPES = [...TEXTS, ...SEVERAL, ...REQUESTS];
