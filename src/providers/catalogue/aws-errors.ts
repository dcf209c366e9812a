import type { ProviderDefinitionSource } from "../definition/definition.ts";

type Rule = ProviderDefinitionSource["rules"][number];

/*
 * The JSON protocols of AWS answer any mistake with 400 and name it in the body. A type may come
 * with the name space of the service, or of the gateway in front of it, before a #.
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
 * Whether an answer names one of these errors.
 * @param service as in the service's own name space, such as `com.amazonaws.textract#…`
 */
export function awsError(service: string, names: readonly string[]) {
  const spaces = [...NAME_SPACES, `com.amazonaws.${service}#`];
  const types = names.flatMap((name) => spaces.map((space) => space + name));
  return { pointer: "/__type", in: types };
}

/** What every service of AWS may answer. */
export function awsErrorRules(service: string): Rule[] {
  return [
    { all: [awsError(service, THROTTLING)], observe: "rate_limited" },
    { all: [awsError(service, REFUSED)], observe: "credential_rejected" },
  ];
}

/** Where an error says what it is. */
export const AWS_ERROR_PLACES = ["/message", "/Message", "/__type"] as const;
