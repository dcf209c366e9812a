import { publicId } from "../core/ids.ts";
import { findSigningSecrets } from "../store/signing-secrets.ts";
import type { StoredSigningSecret } from "../store/signing-secrets.ts";
import { jsonAnswer } from "./answer.ts";
import { isoTime } from "./iso-time.ts";
import type { ApiPorts } from "./ports.ts";
import { signingSecretPageSchema } from "./response-schemas.ts";
import { defineRoute } from "./route.ts";
import type { Route } from "./route.ts";

export function signingSecretRoutes(ports: ApiPorts): Route[] {
  return [list(ports)];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/signing-secrets",
    tag: "Signing secrets",
    summary: "Read the secrets that callbacks are signed with",
    description: "The current one first. A replaced one signs along until it expires.",
    scope: "admin",
    success: { status: 200, description: "The secrets.", schema: signingSecretPageSchema },
    async handle({ caller: { projectId } }) {
      const secrets = await findSigningSecrets(ports.database, projectId, ports.clock.now());
      const data = secrets.map((secret) => signingSecretView(secret, ports));
      const body = JSON.stringify({ data, next_cursor: null });
      return jsonAnswer(200, body, { "cache-control": "no-store" });
    },
  });
}

function signingSecretView(of: StoredSigningSecret, { secretBox }: ApiPorts): object {
  return {
    id: publicId("signingSecret", of.id),
    object: "signing_secret",
    secret: secretBox.open(of.sealed),
    is_current: of.expiresAtMs === null,
    created_at: isoTime(of.createdAtMs),
    expires_at: isoTime(of.expiresAtMs),
  };
}
