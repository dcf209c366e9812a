import type { ProviderFixtures } from "../fixture.ts";

const API = "https://dbc-a1.cloud.databricks.com/api/2.2/jobs/runs";

function run(state: object, tasks: readonly number[] = [2112892]) {
  return {
    job_id: 11223344,
    run_id: 455644833,
    state,
    tasks: tasks.map((run_id) => ({ run_id, task_key: `task-${run_id}` })),
    start_time: 1625060460483,
    end_time: 0,
  };
}

function ended(result_state: string, state_message = "") {
  return { life_cycle_state: "TERMINATED", result_state, state_message };
}

const SEVERAL = run(ended("SUCCESS"), [1, 2]);
const OUTPUT = {
  metadata: { run_id: 2112892, state: ended("SUCCESS") },
  notebook_output: { result: "42", truncated: false },
};

export const databricksFixtures = {
  provider: "databricks",
  connection: { base_url: "https://dbc-a1.cloud.databricks.com", credential: "dapi-token" },
  job: { id: "455644833" },
  requests: {
    status: `GET ${API}/get?run_id=455644833`,
    cancel: `POST ${API}/cancel`,
    headers: { authorization: "Bearer dapi-token" },
  },
  answers: {
    QUEUED: { body: run({ life_cycle_state: "QUEUED" }), means: { running: "pending" } },
    PENDING: { body: run({ life_cycle_state: "PENDING" }), means: { running: "pending" } },
    WAITING_FOR_RETRY: {
      body: run({ life_cycle_state: "WAITING_FOR_RETRY" }),
      means: { running: "pending" },
    },
    RUNNING: {
      body: run({ life_cycle_state: "RUNNING", state_message: "In run" }),
      means: { running: "processing" },
      times: ["1625060460483", "0"],
    },
    TERMINATING: {
      body: run({ life_cycle_state: "TERMINATING", result_state: "SUCCESS" }),
      means: { running: "processing" },
    },
    "SUCCESS of one task": {
      body: run(ended("SUCCESS")),
      means: { asks: `GET ${API}/get-output?run_id=2112892` },
    },
    "SUCCESS of several tasks": { body: SEVERAL, means: { completed: SEVERAL } },
    SUCCESS_WITH_FAILURES: {
      body: run(ended("SUCCESS_WITH_FAILURES")),
      means: { asks: `GET ${API}/get-output?run_id=2112892` },
    },
    FAILED: {
      body: run(ended("FAILED", "Task task-2112892 failed with message: Workload failed.")),
      means: { failed: "Task task-2112892 failed with message: Workload failed." },
    },
    TIMEDOUT: {
      body: run(ended("TIMEDOUT")),
      means: { failed: "TIMEDOUT" },
    },
    CANCELED: {
      body: run(ended("CANCELED", "Run cancelled.")),
      means: { canceled: "Run cancelled." },
    },
    SKIPPED: {
      body: run({ life_cycle_state: "SKIPPED", state_message: "An active run exists." }),
      means: { failed: "An active run exists." },
    },
    INTERNAL_ERROR: {
      body: run({
        life_cycle_state: "INTERNAL_ERROR",
        result_state: "FAILED",
        state_message: "Cluster was terminated.",
      }),
      means: { failed: "Cluster was terminated." },
    },
    "a wrong token": {
      status: 403,
      body: { error_code: "403", message: "Invalid access token." },
      means: { credential_rejected: "HTTP 403: Invalid access token." },
    },
    "an unknown run": {
      status: 400,
      body: { error_code: "INVALID_PARAMETER_VALUE", message: "Run 455644833 does not exist." },
      means: {
        expired: "The upstream no longer knows the job. HTTP 400: Run 455644833 does not exist.",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "1" },
      body: { error_code: "REQUEST_LIMIT_EXCEEDED", message: "Too many requests." },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests.", wait_s: 1 },
    },
  },
  results: {
    "the output": { body: OUTPUT, means: { completed: OUTPUT } },
    "a task without an output": {
      status: 400,
      body: {
        error_code: "INVALID_PARAMETER_VALUE",
        message: "Retrieving the output is not supported.",
      },
      means: { completed: "what the status answer says" },
    },
  },
} satisfies ProviderFixtures;
