import { expect } from "vitest";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { DONE, J, RUNNING, type UpstreamCase } from "./upstream-walk.ts";

/* Bodies and links as real upstreams send them. */

const COMPRESSED = '{"status":"done","result":"compressed"}';
const CODINGS = {
  gzip: gzipSync(COMPRESSED),
  "x-gzip": gzipSync(COMPRESSED),
  deflate: deflateSync(COMPRESSED),
  br: brotliCompressSync(COMPRESSED),
  zstd: zstdCompressSync(COMPRESSED),
};

const LATIN_1 = { "content-type": "application/json; charset=iso-8859-1" };
const PDF = Buffer.from("%PDF-1.7\n\xe2\xe3\xcf\xd3", "latin1");
/** An API that says by HTTP's status alone how a job goes. */
const BY_STATUS: Partial<ProviderDefinitionSource> = {
  rules: [
    { http_status: [202, 204], observe: "running" },
    { http_status: 200, observe: "completed" },
  ],
  result: { kind: "inline" },
};

/** An API whose results are links. */
const LINKED: Partial<ProviderDefinitionSource> = {
  auth: { kind: "bearer" },
  result: {
    kind: "pointer",
    at: ["/result"],
    download: { url_at: [""], credential: true, hosts: ["storage.example.net"] },
  },
};

export const BODIES: readonly UpstreamCase[] = [
  ...Object.entries(CODINGS).map(([coding, body]) => ({
    title: `an answer that is compressed (${coding}) although none was requested is read`,
    sources: ["rbren/rss-parser#280", "ArchiveTeam/wpull#14", "mnutt/davros#94"],
    definition: {},
    answers: { [J]: [{ headers: { "content-encoding": coding }, body }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"compressed"' } },
  })),
  {
    title: "an answer that declares Latin-1 and is in it is read so",
    sources: ["guzzle/guzzle#310", "MotusDev/Motus-TO-DO#25"],
    definition: {},
    answers: {
      [J]: [
        { headers: LATIN_1, body: Buffer.from('{"status":"done","result":"Caf\xe9"}', "latin1") },
      ],
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"Café"' } },
  },
  {
    title: "an answer that declares Latin-1 and is in UTF-8 is read as UTF-8",
    sources: ["guzzle/guzzle#310"],
    definition: {},
    answers: { [J]: [{ headers: LATIN_1, body: '{"status":"done","result":"Café"}' }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"Café"' } },
  },
  ...["NaN", "Infinity", "-Infinity"].map((number) => ({
    title: `an answer with ${number} in it is read, with null in its place`,
    sources: ["node-fetch/node-fetch#806", "flexera-public/right_api_client#38", "labmlai/app#47"],
    definition: {},
    answers: { [J]: [{ body: `{"status":"done","result":{"score":${number}}}` }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: '{"score":null}' } },
  })),
  {
    title: "a result is compact JSON, whatever white space the upstream writes",
    sources: [],
    definition: {},
    answers: {
      [J]: [{ body: '{\r\n\t"status": "done",\n  "result": { "a" : [ 1 , "b  c" ] }\n}\n' }],
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '{"a":[1,"b  c"]}' } },
  },
  {
    title: "a job whose result is a document ends within minutes, with the reason",
    sources: ["ConvertAPI/convertapi-library-python#31"],
    definition: BY_STATUS,
    answers: {
      [J]: [{ status: 202 }, { headers: { "content-type": "application/pdf" }, body: PDF }],
    },
    forS: 600,
    ends: { j: { type: "job.failed", error: expect.stringContaining("application/pdf") } },
  },
  {
    title: "a 303 that names the result is followed, and its answer is the result",
    sources: ["json-api/json-api#781", "json-api/json-api#1223"],
    definition: BY_STATUS,
    answers: {
      [J]: [{ status: 303, headers: { location: "/results/abc-1" } }],
      "/results/abc-1": [{ body: { answer: 42 } }],
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '{"answer":42}' } },
    requests: [J, "/results/abc-1"],
  },
  {
    title: "a status URL that redirects to itself with a slash is followed",
    sources: ["pschlan/cron-job.org#111"],
    definition: {},
    answers: {
      [J]: [{ status: 307, headers: { location: "https://api.example.test/jobs/j/" } }],
      [`${J}/`]: [DONE],
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"alive"' } },
    requests: [J, `${J}/`],
  },
  {
    title:
      "a status URL that redirects to a host that is not allowed is told, and ends the job soon",
    sources: ["pschlan/cron-job.org#111"],
    definition: {},
    answers: { [J]: [{ status: 307, headers: { location: "https://other.test/j?sig=1" } }] },
    forS: 900,
    ends: { j: { type: "job.failed", error: expect.stringContaining("https://other.test/j") } },
  },
  {
    title: "a result's link that redirects to signed storage is followed, without the credential",
    sources: ["buildkite/buildkite-mcp-server#278", "penpot/penpot#10776"],
    definition: LINKED,
    fetchesResult: true,
    answers: {
      [J]: [{ body: { status: "done", result: "https://api.example.test/file" } }],
      "/file": ({ headers }) =>
        headers["authorization"] === undefined
          ? { status: 401 }
          : { status: 302, headers: { location: "https://storage.example.net/file?sig=1" } },
      "/file?sig=1": ({ headers }) => ({
        status: headers["authorization"] === undefined ? 200 : 400,
        body: 1,
      }),
    },
    forS: 1,
    ends: {
      j: { type: "job.completed", resultFetch: expect.stringContaining('"status":"stored"') },
    },
    requests: [J, "/file", "/file?sig=1"],
  },
  {
    title:
      "a result's link that redirects where no link may lead is told, and the link is passed on",
    sources: ["penpot/penpot#10776"],
    definition: LINKED,
    fetchesResult: true,
    answers: {
      [J]: [{ body: { status: "done", result: "https://api.example.test/file" } }],
      "/file": [{ status: 302, headers: { location: "https://other.test/file?sig=1" } }],
    },
    forS: 1,
    ends: {
      j: {
        type: "job.completed",
        result: '"https://api.example.test/file"',
        resultFetch: expect.stringMatching(/other\.test\/file.*is not followed/),
      },
    },
    requests: [J, "/file"],
  },
  {
    title: "a result's link that redirects endlessly is given up after three redirects",
    sources: ["penpot/penpot#10776"],
    definition: LINKED,
    fetchesResult: true,
    answers: {
      [J]: [{ body: { status: "done", result: "https://api.example.test/file" } }],
      "/file": [{ status: 302, headers: { location: "/file" } }],
    },
    forS: 1,
    ends: {
      j: { type: "job.completed", resultFetch: expect.stringContaining("The link answered 302.") },
    },
    requests: [J, "/file", "/file", "/file", "/file"],
  },
  {
    title: "an answer in plain text is no status: last_error says what came, and the job goes on",
    sources: ["vivek12345/react-polling#13"],
    definition: {},
    answers: { [J]: [{ headers: { "content-type": "text/plain" }, body: "RUNNING" }, RUNNING] },
    forS: 0.5,
    says: /^HTTP 200 \(text\/plain\): the body can't be read: it is not JSON/,
  },
  {
    title: "server-sent events are no status: last_error says what came, and the job goes on",
    sources: ["gradio-app/gradio#7331", "gradio-app/gradio#11950"],
    definition: {},
    answers: {
      [J]: [
        {
          headers: { "content-type": "text/event-stream" },
          body: 'event: complete\ndata: [{"path":"/x.png"}]\n\n',
        },
      ],
    },
    forS: 0.5,
    says: /^HTTP 200 \(text\/event-stream\): the body can't be read: it is not JSON/,
  },
  {
    title: "a param is percent-encoded in a header, so that no value can add another header",
    sources: [],
    definition: {
      params: { app: { description: "The app." } },
      headers: {},
      status: { path: "/jobs/{job_id}", headers: { "x-app-id": "{params.app}" } },
    },
    jobs: { j: { app: "my app\r\nx: y" } },
    answers: {
      [J]: ({ headers }) => ({ body: { status: "done", result: headers["x-app-id"] } }),
    },
    forS: 1,
    ends: { j: { type: "job.completed", result: '"my%20app%0D%0Ax%3A%20y"' } },
  },
];
