import type { ProviderDefinitionSource } from "../definition/definition.ts";

/** What all of OpenAI's APIs have in common. */
export const OPENAI_SERVICE: Pick<ProviderDefinitionSource, "base_url" | "auth" | "poll_hints"> = {
  base_url: "https://api.openai.com",
  auth: { kind: "bearer" },
  poll_hints: [{ header: "openai-poll-after-ms", unit: "ms" }],
};
