import type { ProviderFixtures } from "../fixture.ts";

function response(status: string, more: object = {}) {
  return {
    id: "resp_67cb",
    object: "response",
    created_at: 1741476542,
    status,
    background: true,
    error: null,
    incomplete_details: null,
    model: "gpt-5.2",
    output: [],
    ...more,
  };
}

const MESSAGE = {
  type: "message",
  id: "msg_67cc",
  status: "completed",
  role: "assistant",
  content: [{ type: "output_text", text: "Once upon a time", annotations: [] }],
};
const COMPLETED = response("completed", { output: [MESSAGE], completed_at: 1741476600 });
const INCOMPLETE = response("incomplete", {
  output: [MESSAGE],
  incomplete_details: { reason: "max_output_tokens" },
});

export const openaiResponseFixtures = {
  provider: "openai-response",
  job: { id: "resp_67cb" },
  requests: {
    status: "GET https://api.openai.com/v1/responses/resp_67cb",
    cancel: "POST https://api.openai.com/v1/responses/resp_67cb/cancel",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    queued: { body: response("queued"), means: { running: "pending" } },
    in_progress: {
      headers: { "openai-poll-after-ms": "2500" },
      body: response("in_progress"),
      means: { running: "processing", wait_s: 2.5 },
      times: ["1741476542", null],
    },
    completed: {
      body: COMPLETED,
      means: { completed: COMPLETED },
      times: ["1741476542", "1741476600"],
    },
    incomplete: { body: INCOMPLETE, means: { completed: INCOMPLETE } },
    failed: {
      body: response("failed", {
        error: { code: "server_error", message: "The model failed to generate a response." },
      }),
      means: { failed: "The model failed to generate a response. (server_error)" },
    },
    cancelled: {
      body: response("cancelled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { error: { message: "Incorrect API key provided.", code: "invalid_api_key" } },
      means: { credential_rejected: "HTTP 401: Incorrect API key provided. (invalid_api_key)" },
    },
    "a response that is not kept": {
      status: 404,
      body: { error: { message: "Response with id 'resp_67cb' not found.", code: null } },
      means: {
        expired:
          "The upstream no longer knows the job. HTTP 404: Response with id 'resp_67cb' not found.",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "20" },
      body: { error: { message: "Rate limit reached", code: "rate_limit_exceeded" } },
      means: {
        retry: "rate_limited",
        says: "HTTP 429: Rate limit reached (rate_limit_exceeded)",
        wait_s: 20,
      },
    },
  },
} satisfies ProviderFixtures;
