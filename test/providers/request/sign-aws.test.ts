import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { buildStatusRequest } from "../../../src/providers/request/build.ts";
import type { UpstreamRequest } from "../../../src/providers/request/upstream-request.ts";
import { type PreparedTarget, prepareTarget } from "../../../src/providers/request/target.ts";
import { awsSigner, readAwsCredential } from "../../../src/providers/request/sign-aws.ts";
import { exampleProvider } from "../example-provider.ts";

const AUTH = { kind: "aws_sigv4", service: "service", region: "us-east-1" } as const;

describe("the signatures of the test suite that AWS publishes", () => {
  const credential = {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  };
  const nowMs = Date.UTC(2015, 7, 30, 12, 36, 0);

  // get-vanilla, post-vanilla, get-vanilla-query-order-key-case, get-unreserved
  test.for<[UpstreamRequest["method"], string, string]>([
    ["GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    ["POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
    [
      "GET",
      "/?Param2=value2&Param1=value1",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ],
    [
      "GET",
      "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
      "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ],
  ])(
    "the signature equals that of AWS's published test suite: %s %s",
    ([method, path, signature]) => {
      const request = {
        kind: "request",
        method,
        origin: "https://example.amazonaws.com",
        path,
        headers: {},
        body: null,
      } as const;
      const { headers } = awsSigner(AUTH, credential)(request, nowMs);
      expect(headers["x-amz-date"]).toBe("20150830T123600Z");
      expect(headers["authorization"]).toBe(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
          `SignedHeaders=host;x-amz-date, Signature=${signature}`,
      );
    },
  );
});

const SECRET = "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY";
const CREDENTIAL = `AKIAIOSFODNN7EXAMPLE:${SECRET}`;

function targetAt(baseUrl: string, credential = CREDENTIAL): PreparedTarget {
  const provider = exampleProvider({
    auth: { kind: "aws_sigv4", service: "textract", region: "us-west-2" },
    status: {
      method: "POST",
      path: "/",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "Textract.Get" },
      body: { kind: "json", value: { JobId: "{job_id}", MaxResults: 1 } },
    },
  });
  const prepared = prepareTarget(provider, { baseUrl, credential });
  if (prepared.kind === "refused") throw new Error(prepared.problem);
  return prepared.target;
}

function signed(target: PreparedTarget, jobId: string, nowMs: number): UpstreamRequest {
  const facts = { nowMs, nextUrl: null, etag: null, mayLongPoll: false };
  const building = buildStatusRequest(target, { jobId, params: {} }, facts);
  if (building.kind === "refused") throw new Error(building.problem);
  return building;
}

describe("a signed request", () => {
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);

  test("a signed request can be verified with the secret, body included", () => {
    const request = signed(targetAt("https://textract.eu-west-1.amazonaws.com"), 'a"b/ü', nowMs);
    expect(request.body).toBe('{"JobId":"a\\"b/ü","MaxResults":1}');
    expect(request.headers).toMatchObject({
      accept: "application/json",
      host: "textract.eu-west-1.amazonaws.com",
      "x-amz-target": "Textract.Get",
      "x-amz-date": "20260102T030405Z",
      "content-type": "application/x-amz-json-1.1",
    });
    expect(isAuthentic(request, SECRET)).toBe(true);
    expect(isAuthentic({ ...request, body: "{}" }, SECRET)).toBe(false);
    expect(isAuthentic(request, `${SECRET}x`)).toBe(false);
  });

  test.for([
    ["https://textract.eu-west-1.amazonaws.com", "eu-west-1"],
    ["https://textract-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
    ["https://vpce-1.textract.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"],
    ["http://127.0.0.1:9", "us-west-2"],
    ["https://aws.proxy.example/textract", "us-west-2"],
  ])("a signed request to %s is for the region %s", ([baseUrl = "", region]) => {
    const { headers } = signed(targetAt(baseUrl), "j", nowMs);
    expect(headers["authorization"]).toContain(`/20260102/${region}/textract/aws4_request`);
  });

  test("a signed request carries the session token of temporary credentials", () => {
    const target = targetAt("https://textract.eu-west-1.amazonaws.com", `${CREDENTIAL}:tok/en+=`);
    const request = signed(target, "j", nowMs);
    expect(request.headers["x-amz-security-token"]).toBe("tok/en+=");
    expect(isAuthentic(request, SECRET)).toBe(true);
  });

  test("a request is signed again each time, with its own time", () => {
    const target = targetAt("https://textract.eu-west-1.amazonaws.com");
    const [first, later] = [nowMs, nowMs + 86_400_000].map((at) => signed(target, "j", at));
    expect(first?.headers["authorization"]).not.toBe(later?.headers["authorization"]);
    expect(later?.headers["authorization"]).toContain("/20260103/");
  });

  test("a signed request keeps its place in a URL that a proxy's prefix makes longer", () => {
    const request = signed(targetAt("https://aws.proxy.example/textract/"), "j", nowMs);
    expect(request.path).toBe("/textract/");
    expect(isAuthentic(request, SECRET)).toBe(true);
  });
});

describe("a credential of AWS", () => {
  test.for(["", "key", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE:", "a:b", `${CREDENTIAL}:`])(
    "a credential of AWS is not %j, which is never quoted",
    (credential) => {
      expect(readAwsCredential(credential)).toBeNull();
      const provider = exampleProvider({ auth: { kind: "aws_sigv4", service: "textract" } });
      const prepared = prepareTarget(provider, { baseUrl: null, credential });
      expect(prepared).toMatchObject({
        kind: "refused",
        field: "credential",
        problem: expect.stringMatching(/empty|access_key_id:secret_access_key/),
      });
    },
  );
});

/** Signature Version 4 as AWS documents it, written again: what a service would do. */
function isAuthentic({ method, path, headers, body }: UpstreamRequest, secret: string): boolean {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d+)\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=(\S+), Signature=(\S+)$/;
  const [, date = "", region = "", service = "", names = "", signature = ""] =
    pattern.exec(headers["authorization"] ?? "") ?? [];
  const canonical = [
    method,
    path,
    "",
    ...names.split(";").map((name) => `${name}:${headers[name] ?? ""}`),
    "",
    names,
    sha256(body ?? ""),
  ].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(
    (of, part) => createHmac("sha256", of).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac("sha256", key).update(text).digest("hex") === signature;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
