import { expect, test } from "vitest";
import { adviceOf } from "../../../src/console/view/waits.ts";

test.each([
  ["Nothing: it continues automatically.", "Nothing: it continues automatically."],
  [
    "Nothing: it continues automatically. POST /v1/subscriptions/{id}/poll polls at once.",
    "Nothing: it continues automatically.",
  ],
  [
    "Fix the receiver, test it with POST /v1/callbacks/test, then send it again with POST /v1/deliveries/{id}/redeliver.",
    "Fix the receiver, test it, then send it again.",
  ],
  [
    "Extend the deadline if the job needs more time: POST /v1/jobs/{id}/extend.",
    "Extend the deadline if the job needs more time.",
  ],
  [
    'Fix the receiver, then POST /v1/callback-origins/try with {"origin": "https://a.test"}; the first response releases everything that waits.',
    "Fix the receiver; the first response releases everything that waits.",
  ],
  [
    "Try the definition on the job with POST /v1/providers/acme/try, and fix it.",
    "Try the definition on the job, and fix it.",
  ],
  [
    "Read it with ringback inbox read a, or GET /v1/inboxes/a/messages. To get it again at the end of the inbox, send it again with POST /v1/deliveries/{id}/redeliver.",
    "Read it with ringback inbox read a. To get it again at the end of the inbox, send it again.",
  ],
])("the advice on a page names no request: %s", (action, shown) => {
  expect(adviceOf(action)).toBe(shown);
});
