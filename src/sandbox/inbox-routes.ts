import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { Clock } from "../runtime/clock.ts";
import { type MayChange, problem, requireKey } from "./access.ts";
import { type Callback, type SandboxInbox, verifyCallback } from "./inbox.ts";

interface InboxRoutesOptions {
  readonly clock: Clock;
  readonly inbox: SandboxInbox;
  /** The secrets that callbacks may be signed with. */
  readonly signingSecrets: () => Promise<readonly string[]>;
  readonly mayChange: MayChange;
}

const CALLBACK_BYTES_MAX = 1024 * 1024;
const FAILURES_MAX = 1000;

const ON_INBOX = "/inbox";
const ON_NAMED_INBOX = "/inbox/:name{[A-Za-z0-9._-]{1,64}}";

const answerSchema = z.strictObject({
  fail: z.coerce.number().int().min(0).max(FAILURES_MAX).default(0),
  status: z.coerce.number().int().min(200).max(599).optional(),
});
type Answer = z.infer<typeof answerSchema>;

/** A receiver of callbacks that checks and shows them, and can be told to refuse some. */
export function createInboxRoutes(options: InboxRoutesOptions): Hono {
  const { inbox, mayChange } = options;
  const routes = new Hono();

  routes.on(
    "POST",
    [ON_INBOX, ON_NAMED_INBOX],
    bodyLimit({ maxSize: CALLBACK_BYTES_MAX, onError: tooLarge }),
    (c) => receive(c, options),
  );

  routes.on("GET", [ON_INBOX, ON_NAMED_INBOX], (c) => {
    const callbacks = inbox.list(c.req.param("name") ?? null);
    c.header("cache-control", "no-store");
    return c.json({ object: "list", data: callbacks.map(describe) });
  });

  routes.delete(ON_INBOX, requireKey(mayChange), (c) => {
    inbox.clear();
    return c.body(null, 204);
  });

  return routes;
}

async function receive(c: Context, options: InboxRoutesOptions): Promise<Response> {
  const { clock, inbox, signingSecrets } = options;
  const wanted = answerSchema.safeParse(c.req.query());
  if (!wanted.success) return problem(c, 400, z.prettifyError(wanted.error));
  const headers = c.req.header();
  const body = await c.req.text();
  const verdict = verifyCallback(body, headers, await signingSecrets());
  const webhookId = headers["webhook-id"] ?? null;
  const delivery = verdict.verified && webhookId !== null ? inbox.countDelivery(webhookId) : 0;
  const answered = verdict.verified ? interpretResponse(delivery, wanted.data) : 400;
  inbox.add({
    inbox: c.req.param("name") ?? null,
    receivedAtMs: clock.now(),
    webhookId,
    delivery,
    verdict,
    answered,
    headers,
    body,
  });
  if (!verdict.verified) return problem(c, 400, verdict.reason, "Signature not verified");
  return new Response(null, { status: answered });
}

function interpretResponse(delivery: number, { fail, status }: Answer): number {
  if (delivery <= fail) return 503;
  return status ?? 204;
}

function tooLarge(c: Context): Response {
  return problem(c, 413, `A callback has at most ${CALLBACK_BYTES_MAX} bytes.`);
}

function describe(callback: Callback): object {
  const { verdict } = callback;
  return {
    object: "callback",
    inbox: callback.inbox,
    received_at: new Date(callback.receivedAtMs).toISOString(),
    webhook_id: callback.webhookId,
    delivery: callback.delivery,
    verified: verdict.verified,
    reason: verdict.verified ? null : verdict.reason,
    answered: callback.answered,
    headers: callback.headers,
    body: callback.body,
  };
}
