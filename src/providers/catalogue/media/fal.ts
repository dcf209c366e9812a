import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { COMPLETED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** The queue in front of fal's models. */
export const fal = {
  name: "fal",
  title: "fal queue",
  documentation_url: "https://docs.fal.ai/documentation/model-apis/inference/queue",
  notes:
    "The job id is the request_id; status_url, and cancel_url to be able to cancel, are params, as " +
    "the answer to the submission gives them. The credential is the key as fal shows it, id:secret. " +
    "That a model failed shows in the answer with its result: 400, 422, and 500 with a detail. ‡ That " +
    "a status may carry an error, and for how long results are kept, is not documented.",
  base_url: "https://queue.fal.run",
  auth: { kind: "header", name: "authorization", prefix: "Key " },
  params: {
    status_url: { description: "status_url of the answer to the submission." },
    cancel_url: { description: "cancel_url of that answer; only needed to cancel." },
  },
  status: { url_param: "status_url" },
  submit: [
    {
      path: "/{+model}",
      when: {
        all: [
          { pointer: "/request_id", exists: true },
          { pointer: "/status_url", exists: true },
        ],
      },
      job_id: { pointer: "/request_id" },
      params: {
        status_url: { pointer: "/status_url" },
        cancel_url: { pointer: "/cancel_url" },
      },
    },
  ],
  cancel: { method: "PUT", url_param: "cancel_url" },
  rules: [
    { all: [{ ...STATUS, eq: "IN_QUEUE" }], observe: "running", phase: "pending" },
    { all: [{ ...STATUS, eq: "IN_PROGRESS" }], observe: "running" },
    {
      http_status: 200,
      all: [
        { ...STATUS, ...COMPLETED },
        { pointer: "/error", empty: false },
      ],
      observe: "failed",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
  ],
  extract: {
    status: ["/status"],
    progress: { queue_position: "/queue_position" },
    error: ["/error", "/detail/0/msg", "/detail"],
  },
  result: {
    kind: "request",
    request: { url_at: ["/response_url"] },
    rules: [
      {
        note: "The model refused its input or threw; without a detail it is the queue, or a proxy before it.",
        http_status: [400, 422, 500],
        all: [{ pointer: "/detail", empty: false }],
        observe: "failed",
      },
      {
        note: "It did not start within the time that its submission set.",
        http_status: 504,
        headers: [{ name: "x-fal-request-timeout-type", eq: "user" }],
        observe: "failed",
      },
    ],
    error: ["/detail/0/msg", "/detail", "/error"],
  },
  schedule: { kind: "exponential", initial_s: 0.5, factor: 1.5, cap_s: 5 },
  limits: { concurrency: 32, requests_per_second: 20, burst: 20 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
