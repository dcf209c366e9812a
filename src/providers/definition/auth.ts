import { z } from "zod";
import { headerText, sendableHeaderName } from "./fields.ts";

/** How the credential is sent. Schemes that data can't express are signers in code, named here. */
export const authSchema = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("header"),
      name: sendableHeaderName.describe("The header that carries the credential."),
      prefix: headerText.default("").describe('The text before the credential, such as "Key ".'),
    }),
    z.strictObject({ kind: z.literal("bearer") }).describe("Authorization: Bearer <credential>."),
    z
      .strictObject({ kind: z.literal("basic") })
      .describe("Authorization: Basic; the credential is user:password."),
    z.strictObject({
      kind: z.literal("query"),
      name: z.string().min(1).max(100).describe("The query parameter that carries it."),
    }),
    z.strictObject({ kind: z.literal("none") }).describe("Requests carry no credential."),
    z
      .strictObject({
        kind: z.literal("aws_sigv4"),
        service: z
          .string()
          .regex(/^[a-z0-9-]{1,63}$/, "Must be a service's signing name, such as textract.")
          .describe("The service's signing name."),
        region: z
          .string()
          .regex(/^[a-z0-9-]{1,63}$/, "Must be a region such as us-east-1.")
          .default("us-east-1")
          .describe("Signed for where the connection's host does not name a region."),
      })
      .describe(
        "Signature Version 4; the credential is access_key_id:secret_access_key[:session_token].",
      ),
  ],
  {
    error: 'Must be "header", "bearer", "basic", "query", "none" or "aws_sigv4".',
  },
);

export type ProviderAuth = z.output<typeof authSchema>;
