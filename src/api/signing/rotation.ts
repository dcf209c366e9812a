import { z } from "@hono/zod-openapi";
import type { AuditAction } from "../../core/audit-action.ts";
import { publicId } from "../../core/ids/ids.ts";
import type { SignatureScheme } from "../../core/signing.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import {
  rotateSigningSecret,
  SIGNING_AT_ONCE_MAX,
  type StoredSigningSecret,
} from "../../store/projects/signing-secrets.ts";
import type { ApiServices } from "../services.ts";
import { type Answer, isoTime } from "../http/answer.ts";
import { defineCreatingRoute } from "../http/creating-route.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import { refused } from "../http/problem.ts";
import type { Refusal } from "../../core/problem.ts";
import type { Route, RouteDescription } from "../http/route.ts";
import { auditedRequest } from "../projects/audit-log.ts";

const ROTATION_BODY_BYTES_MAX = 4096;

const OVERLAP_S_DEFAULT = 24 * 3600;
const OVERLAP_S_MAX = 7 * 24 * 3600;

export const overlapSchema = z.int().min(0).max(OVERLAP_S_MAX).default(OVERLAP_S_DEFAULT).openapi({
  description: "How many seconds the replaced one continues to sign.",
});

/** A secret that both sides know, or a key pair: the parts of their rotation that differ. */
interface Rotation<Body extends { readonly overlap_s: number }> extends Pick<
  RouteDescription,
  "operationId" | "path" | "tag" | "summary" | "description" | "success"
> {
  readonly schema: z.ZodType<Body>;
  readonly scheme: SignatureScheme;
  readonly idKind: "signingSecret" | "signingKey";
  readonly action: AuditAction;
  /** The public key of a secret is null. */
  readonly create: (body: Body) => { readonly secret: string; readonly publicKey: string | null };
  readonly answer: (rotated: StoredSigningSecret) => Answer;
}

/** A route that makes a new secret or key pair the current one; earlier ones sign for an overlap. */
export function defineRotation<Body extends { readonly overlap_s: number }>(
  rotation: Rotation<Body>,
  services: ApiServices,
  newUuid: UuidSource,
): Route {
  const { schema, scheme, idKind, action, create, answer, ...description } = rotation;
  return defineCreatingRoute<Body>(services, {
    ...description,
    scope: "admin",
    body: { schema, bytesMax: ROTATION_BODY_BYTES_MAX, isOptional: true },
    problems: ["too_many_signing_secrets", "project_limit_reached"],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const refusal = await stockRefusal("signing_secrets", { projectId, database }, services);
      if (refusal !== null) return refusal;
      const nowMs = services.clock.now();
      const { secret, publicKey } = create(body);
      const id = newUuid(nowMs, 0);
      const sealed = services.secretBox.seal(secret, { column: "signing_secrets.secret", id });
      const wanted = { id, projectId, scheme, sealed, publicKey, nowMs };
      const reply = await auditedRequest(
        services,
        request,
        description.operationId,
        (within, note) =>
          request.once(within, async () => {
            const rotated = await rotateSigningSecret(within, wanted, body.overlap_s * 1000);
            if (rotated.kind === "too_many") return tooManySign(rotated);
            const details = { overlap_s: body.overlap_s };
            note({ action, subject: publicId(idKind, id), details });
            return answer(rotated.secret);
          }),
      );
      services.signingKeys.forget(projectId);
      return reply;
    },
  });
}

function tooManySign({ untilMs }: { readonly untilMs: number }): Refusal {
  return refused(
    "too_many_signing_secrets",
    `More than ${SIGNING_AT_ONCE_MAX} would sign at the same time, which makes callbacks too ` +
      `large; wait until ${isoTime(untilMs)}, or use an overlap_s of 0 to end the earlier ones.`,
  );
}
