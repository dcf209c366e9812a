/**
 * A result with what receivers get wrong that parse a body and write it anew before they verify it: a
 * trailing zero, an integer above 2^53, an escape, a slash, and a character outside of the BMP.
 */
const RESULT = String.raw`{"decimal":1.10,"integer":12345678901234567890,"text":"f\u00fcr a/b 🙂"}`;

const MESSAGE = "This is a test. No job has ended.";

/**
 * The exact text of a `ringback.test` event, shaped like that of a job that completed, so that a
 * receiver which reads it as one is tried too.
 */
export function testEventBody(nowMs: number): string {
  const at = `"${new Date(nowMs).toISOString()}"`;
  const data = [
    `"job_id":"ringback-test"`,
    `"status":"completed"`,
    `"provider":"ringback"`,
    `"created_at":${at}`,
    `"updated_at":${at}`,
    `"result":${RESULT}`,
    `"subscription_id":"sub_00000000000070000000000000000000"`,
    `"metadata":{}`,
    `"message":${JSON.stringify(MESSAGE)}`,
  ];
  return `{"type":"ringback.test","timestamp":${at},"data":{${data.join(",")}}}`;
}
