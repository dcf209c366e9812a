import type { ProviderFixtures } from "../fixture.ts";

const ARN = "arn:aws:states:us-east-1:123456789012:execution:HelloWorld:e1";

function execution(status: string, more: object = {}) {
  return {
    executionArn: ARN,
    stateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:HelloWorld",
    name: "e1",
    status,
    startDate: 1548266345.237,
    input: "{}",
    ...more,
  };
}

export const awsStepFunctionsFixtures = {
  provider: "aws-step-functions",
  connection: { credential: "AKIDEXAMPLEKEYID:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
  job: { id: ARN },
  requests: {
    status: "POST https://states.us-east-1.amazonaws.com/",
    cancel: "POST https://states.us-east-1.amazonaws.com/",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AWSStepFunctions.DescribeExecution",
    },
    body: { executionArn: ARN },
  },
  answers: {
    RUNNING: {
      body: execution("RUNNING"),
      means: { running: "processing" },
      times: ["1548266345.237", null],
    },
    PENDING_REDRIVE: { body: execution("PENDING_REDRIVE"), means: { running: "pending" } },
    SUCCEEDED: {
      body: execution("SUCCEEDED", { output: '{"total": 3}', stopDate: 1548266348.09 }),
      means: { completed: '{"total": 3}' },
      times: ["1548266345.237", "1548266348.09"],
    },
    FAILED: {
      body: execution("FAILED", { error: "States.TaskFailed", cause: "The function threw" }),
      means: { failed: "The function threw" },
    },
    TIMED_OUT: {
      body: execution("TIMED_OUT", { error: "States.Timeout" }),
      means: { failed: "States.Timeout" },
    },
    ABORTED: {
      body: execution("ABORTED", { cause: "Stopped by an operator" }),
      means: { canceled: "Stopped by an operator" },
    },
    "a key that may not": {
      status: 400,
      body: {
        __type: "com.amazon.coral.service#AccessDeniedException",
        Message: "User is not authorized to perform: states:DescribeExecution",
      },
      means: {
        credential_rejected:
          "HTTP 400: User is not authorized to perform: states:DescribeExecution",
      },
    },
    "an unknown execution": {
      status: 400,
      body: { __type: "ExecutionDoesNotExist", message: `Execution Does Not Exist: '${ARN}'` },
      isFirst: true,
      means: { retry: "not_visible_yet", says: `HTTP 400: Execution Does Not Exist: '${ARN}'` },
    },
    "too many requests": {
      status: 400,
      body: { __type: "ThrottlingException", message: "Rate exceeded" },
      means: { retry: "rate_limited", says: "HTTP 400: Rate exceeded" },
    },
  },
} satisfies ProviderFixtures;
