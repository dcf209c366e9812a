import { expect } from "vitest";
import { type IdKind, publicId } from "../../src/core/ids/ids.ts";
import { createRedelivery } from "../../src/store/deliveries/redeliveries.ts";
import { exampleSource } from "../providers/example-provider.ts";
import type { ApiFixture, Json } from "./api-fixture.ts";

/**
 * Makes an object of each kind in the project of the fixture, and gives their ids.
 * @param name of a provider, an inbox and a consumer
 */
export async function objectsOf(
  api: ApiFixture,
  name: string,
): Promise<Readonly<Record<IdKind, string | null>>> {
  const subscription = await api.subscribe();
  const { eventId, deliveryId } = await api.end(subscription.id, { result: "1" });
  const put = await api.request("PUT", `/v1/providers/${name}`, {
    body: { ...exampleSource, name },
  });
  expect(put.status).toBe(201);
  // The other project's inbox has the same name, so a leak would find it.
  const inbox = await api.subscribe({ callback_url: undefined, inbox: name });
  await api.end(inbox.id, { result: "1" });
  const made = await api.request("GET", `/v1/inboxes/${name}/messages`);
  const { cursor } = (await made.json()) as Json;
  const ack = `/v1/inboxes/${name}/consumers/${name}/ack`;
  expect((await api.request("POST", ack, { body: { cursor } })).status).toBe(200);
  const redelivery = {
    id: api.uuid(),
    projectId: api.projectId,
    isDryRun: false,
    perSecond: 1,
    nowMs: api.clock.now(),
    status: "exhausted",
    eventType: null,
    errorCode: null,
    callbackOrigin: null,
    createdAfterMs: null,
    createdBeforeMs: api.clock.now(),
  } as const;
  await createRedelivery(api.database, redelivery, 10);
  const link = await api.request("POST", "/v1/console-links", { body: {} });
  const first = async (table: string): Promise<string> =>
    (await api.sql(`select id from ${table} where project_id = $1`, [api.projectId]))[0].id;
  return {
    job: subscription.job.id,
    subscription: subscription.id,
    event: publicId("event", eventId),
    delivery: publicId("delivery", deliveryId ?? ""),
    connection: publicId("connection", await first("connections")),
    apiKey: publicId("apiKey", await first("api_keys")),
    redelivery: publicId("redelivery", redelivery.id),
    consoleLink: ((await link.json()) as Json).id,
    // No address names these.
    project: null,
    signingSecret: null,
    signingKey: null,
    operationalEvent: null,
    auditEntry: null,
  };
}

/** How many objects of each kind there are, of all projects. */
export async function countObjects(api: ApiFixture): Promise<Json> {
  const [row] = await api.sql(`
    select (select count(*)::int from connections where deleted_at is null) as connections,
      (select count(*)::int from subscriptions where closed_as is null) as subscriptions,
      (select count(*)::int from api_keys where revoked_at is null) as keys,
      (select count(*)::int from provider_versions where deleted_at is null) as providers,
      (select count(*)::int from redeliveries where state = 'running') as redeliveries,
      (select count(*)::int from inboxes where deleted_at is null) as inboxes,
      (select count(*)::int from inbox_consumers) as consumers`);
  return row;
}
