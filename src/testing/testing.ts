/* The exports of `ringback/testing`, for testing a receiver without a gateway. */
export { EVENT_FIXTURE_TYPES, eventFixture } from "./fixtures.ts";
export { signedRequest, type SignedRequestOptions } from "./signed-request.ts";
