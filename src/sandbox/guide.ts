import { OUTCOMES } from "./jobs/job-request.ts";
import { MISBEHAVIORS } from "./jobs/misbehavior.ts";

/** The commands of the guide, each with what it does. */
function steps(baseUrl: string): readonly { readonly title: string; readonly command: string }[] {
  return [
    {
      title: "1. Submit a job that takes three seconds",
      command: `JOB_ID=$(curl -s ${baseUrl}/sandbox/jobs -H "Authorization: Bearer $RINGBACK_API_KEY" \\
  -d '{"duration_s": 3}' | sed 's/.*"job_id":"\\([^"]*\\)".*/\\1/')`,
    },
    {
      title: "2. Ask Ringback to call the inbox when it ends",
      command: `curl -s ${baseUrl}/v1/subscriptions \\
  -H "Authorization: Bearer $RINGBACK_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"provider": "sandbox", "job_id": "'$JOB_ID'", "callback_url": "${baseUrl}/sandbox/inbox"}'`,
    },
    {
      title: "3. See the callback arrive, its signature checked",
      command: `curl -s ${baseUrl}/sandbox/inbox`,
    },
  ];
}

const INBOX_OPTIONS: readonly (readonly [string, string])[] = [
  ["/sandbox/inbox/{name}", "An inbox of its own; GET shows only its callbacks."],
  ["?fail=2", "Answers 503 to the first two deliveries of each webhook-id: watch the retries."],
  ["?status=410", "Answers with this status, once the signature is verified."],
];

const JOB_FIELDS: readonly (readonly [string, string])[] = [
  ["duration_s", "How long it runs: 0 to 86400, by default 3."],
  ["outcome", `How it ends: ${OUTCOMES.join(", ")}.`],
  ["result", "The result of a completed job, any JSON; its digits are kept."],
  ["result_bytes", "Instead of result: markdown of this length, up to 1 MiB."],
  ["pointer", "true: the result is the URL of a single-use download."],
  ["misbehaviour", "How the status endpoint misbehaves; see below."],
];

/** The guide to the sandbox's API, for a terminal. */
export function guideText(baseUrl: string): string {
  const commands = steps(baseUrl).map(({ title, command }) => `${title}:\n\n${command}\n`);
  return [
    "Ringback sandbox: a fake async job API (provider `sandbox`) and an inbox for callbacks.\n",
    `In a browser, the page Sandbox of the console does the same: ${baseUrl}/console/sandbox\n`,
    ...commands,
    `A job can be given:\n\n${textTable(JOB_FIELDS)}`,
    `How the API can misbehave:\n\n${textTable(Object.entries(MISBEHAVIORS))}`,
    `The inbox can be told:\n\n${textTable(INBOX_OPTIONS)}`,
  ].join("\n");
}

function textTable(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}\n`).join("");
}
