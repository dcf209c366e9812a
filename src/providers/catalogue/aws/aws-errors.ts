import type { ProviderDefinitionSource } from "../../definition/definition.ts";

type Rule = ProviderDefinitionSource["rules"][number];

/*
 * The JSON protocols of AWS answer any mistake with 400 and name it in the body. A type may carry
 * the namespace of the service, or of the gateway in front of it, before a #.
 */
const NAME_SPACES = ["", "com.amazon.coral.service#", "com.amazon.coral.availability#"];

const THROTTLING = [
  "ThrottlingException",
  "Throttling",
  "TooManyRequestsException",
  "LimitExceededException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
];

const REFUSED = [
  "AccessDeniedException",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "UnrecognizedClientException",
];

/**
 * True when a response names one of these errors.
 * @param service as in the service's own namespace, such as `com.amazonaws.textract#…`
 */
export function awsError(service: string, names: readonly string[]) {
  const spaces = [...NAME_SPACES, `com.amazonaws.${service}#`];
  const types = names.flatMap((name) => spaces.map((space) => space + name));
  return { pointer: "/__type", in: types };
}

/** Errors of every AWS service. */
export function awsErrorRules(service: string): Rule[] {
  return [
    { all: [awsError(service, THROTTLING)], observe: "rate_limited" },
    { all: [awsError(service, REFUSED)], observe: "credential_rejected" },
  ];
}

/** Where an error has its name. */
export const AWS_ERROR_PLACES = ["/message", "/Message", "/__type"] as const;
