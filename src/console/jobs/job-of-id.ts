import { ApiProblem, type GatewayApi } from "../http/gateway-api.ts";
import type { Delivery, StoredEvent, Subscription } from "../http/models.ts";

const PUBLIC_ID = /^(?:job|sub|msg|evt)_[0-9a-f]{32}$/;

/** The id of the job that something of this id belongs to; null for a text that is no such id, or names nothing. */
export async function jobOfId(api: GatewayApi, text: string): Promise<string | null> {
  if (!PUBLIC_ID.test(text)) return null;
  try {
    if (text.startsWith("job_")) return text;
    if (text.startsWith("sub_")) return await jobOfSubscription(api, text);
    if (text.startsWith("evt_")) return (await api.get<StoredEvent>(`/v1/events/${text}`)).job.id;
    const delivery = await api.get<Delivery>(`/v1/deliveries/${text}`);
    return await jobOfSubscription(api, delivery.subscription_id);
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}

async function jobOfSubscription(api: GatewayApi, id: string): Promise<string> {
  return (await api.get<Subscription>(`/v1/subscriptions/${id}`)).job.id;
}
