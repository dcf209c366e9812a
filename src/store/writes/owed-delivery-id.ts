/**
 * The id of the delivery of an event to a subscription, in SQL. Derived from both, so that every
 * recording of it, by an ending or a late accept and after any number of lost answers, makes the
 * same row: there is one delivery of an event to a subscription, with one `webhook-id`.
 *
 * The time and the shard are those of the younger of the two, which is about when the delivery was
 * created; the rest is a digest.
 */
export function owedDeliveryId(eventId: string, subscriptionId: string): string {
  const digest = `md5(${eventId}::text || ${subscriptionId}::text)`;
  const younger = `greatest(${eventId}::text, ${subscriptionId}::text)`;
  return `(left(${younger}, 19) || '8' || substr(${digest}, 1, 3) || '-' || substr(${digest}, 4, 12))::uuid`;
}
