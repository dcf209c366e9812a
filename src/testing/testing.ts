/* What `ringback/testing` gives: a receiver is tested without a gateway. */
export { EVENT_FIXTURE_TYPES, eventFixture } from "./fixtures.ts";
export { signedRequest, type SignedRequestOptions } from "./signed-request.ts";
