import { randomBytes } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import type { UuidSource } from "../../runtime/uuid-source.ts";
import { findSigningSecrets, rotateSigningSecret } from "../../store/projects/signing-secrets.ts";
import type { StoredSigningSecret } from "../../store/projects/signing-secrets.ts";
import { jsonAnswer, pageAnswer } from "../http/answer.ts";
import { auditedRequest } from "../projects/audit.ts";
import { defineCreatingRoute } from "../http/creating-route.ts";
import { isoTime } from "../http/iso-time.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import type { ApiPorts } from "../context.ts";
import { signingSecretPageSchema, signingSecretSchema } from "../http/response-schemas.ts";
import { overlapSchema, ROTATION_BODY_BYTES_MAX, tooManySign } from "../http/rotation.ts";
import { defineRoute } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { secretSchema } from "../subscriptions/schema.ts";

const TAG = "Signing secrets";
const NOT_STORED = { "cache-control": "no-store" };
const SECRET_BYTES = 32;

export function signingSecretRoutes(ports: ApiPorts, newUuid: UuidSource): Route[] {
  return [list(ports), rotate(ports, newUuid)];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    operationId: "listSigningSecrets",
    method: "GET",
    path: "/v1/signing-secrets",
    tag: TAG,
    summary: "List signing secrets",
    description: "The current secret comes first. A replaced secret still signs until it expires.",
    scope: "admin",
    success: { status: 200, description: "The secrets.", schema: signingSecretPageSchema },
    async handle({ database, caller: { projectId } }) {
      const stored = await findSigningSecrets(database, projectId, ports.clock.now());
      const secrets = stored.filter(({ scheme }) => scheme === "v1");
      const items = secrets.map((secret) => JSON.stringify(signingSecretView(secret, ports)));
      return pageAnswer(items, null, NOT_STORED);
    },
  });
}

function rotate(ports: ApiPorts, newUuid: UuidSource): Route {
  return defineCreatingRoute(ports, {
    operationId: "rotateSigningSecret",
    path: "/v1/signing-secrets/rotate",
    tag: TAG,
    summary: "Rotate the signing secret",
    description:
      "Those before it sign along for the overlap, so that receivers can be changed over without a " +
      "callback that they can't verify. With an overlap of 0 they are done with at once.",
    scope: "admin",
    body: {
      schema: z
        .strictObject({
          overlap_s: overlapSchema,
          secret: secretSchema.optional().openapi({
            description: "The new secret. Generated unless given.",
          }),
        })
        .openapi("SigningSecretRotation"),
      bytesMax: ROTATION_BODY_BYTES_MAX,
      isOptional: true,
    },
    success: { status: 200, description: "The new secret.", schema: signingSecretSchema },
    problems: ["too_many_signing_secrets", "project_limit_reached"],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const refusal = await stockRefusal("signing_secrets", { projectId, database }, ports);
      if (refusal !== null) return refusal;
      const nowMs = ports.clock.now();
      const secret = body.secret ?? `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
      const id = newUuid(nowMs, 0);
      const wanted = {
        id,
        projectId,
        scheme: "v1",
        sealed: ports.secretBox.seal(secret, { column: "signing_secrets.secret", id }),
        publicKey: null,
        nowMs,
      } as const;
      const reply = await auditedRequest(ports, request, "rotate-signing-secret", (within, note) =>
        request.once(within, async () => {
          const rotated = await rotateSigningSecret(within, wanted, body.overlap_s * 1000);
          if (rotated.kind === "too_many") return tooManySign(rotated);
          const details = { overlap_s: body.overlap_s };
          const subject = publicId("signingSecret", id);
          note({ action: "signing_secret.rotated", subject, details });
          const view = signingSecretView(rotated.secret, ports);
          return jsonAnswer(200, JSON.stringify(view), NOT_STORED);
        }),
      );
      ports.signingKeys.forget(projectId);
      return reply;
    },
  });
}

function signingSecretView(of: StoredSigningSecret, { secretBox }: ApiPorts): object {
  return {
    id: publicId("signingSecret", of.id),
    object: "signing_secret",
    secret: secretBox.open(of.sealed, { column: "signing_secrets.secret", id: of.id }),
    is_current: of.expiresAtMs === null,
    created_at: isoTime(of.createdAtMs),
    expires_at: isoTime(of.expiresAtMs),
  };
}
