import { expect, test } from "vitest";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";
import { checkUpstreamUrl } from "../../../src/outbound/guard/callback-url.ts";

const isTrusted = (origin: string): boolean => origin === "http://127.0.0.1:4010";
const strict = createAddressGuard({ cidrs: [], hostPorts: [] });

test.each([
  "https://api.runpulse.com",
  "https://api.example.com/v1/",
  "http://127.0.0.1:4010",
  "http://127.0.0.1:4010/v1",
])("a public https base URL or a trusted origin is accepted: %s", (text) => {
  expect(checkUpstreamUrl(text, strict, isTrusted)).toMatchObject({ ok: true });
});

test.each([
  "http://api.example.com",
  "https://127.0.0.1:4010",
  "http://127.0.0.1:4011",
  "https://169.254.169.254",
  "https://user:secret@api.example.com",
  "http://x@127.0.0.1:4010",
  "https://api.example.com/v1?key=1",
  "https://api.example.com/v1#x",
  "ftp://api.example.com",
])("anything else is refused: %s", (text) => {
  expect(checkUpstreamUrl(text, strict, isTrusted)).toMatchObject({ ok: false });
});
