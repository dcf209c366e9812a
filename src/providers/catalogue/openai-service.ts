import type { ProviderDefinitionSource } from "../definition/definition.ts";

/** Shared by all of OpenAI's APIs. */
export const OPENAI_SERVICE: Pick<ProviderDefinitionSource, "base_url" | "auth" | "poll_hints"> = {
  base_url: "https://api.openai.com",
  auth: { kind: "bearer" },
  poll_hints: [{ header: "openai-poll-after-ms", unit: "ms" }],
};
