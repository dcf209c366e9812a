import type { Job } from "../../api/models.ts";
import { defineAction, definePage, type PageRequest, redirect } from "../http/page.ts";

const WRITE = {
  scope: "subscriptions:write",
  back: ({ id }: PageRequest) => `jobs/${id}`,
} as const;

export const pollNow = defineAction({
  ...WRITE,
  path: "/jobs/:id/poll",
  async act({ id, api, form }) {
    await api.send("POST", `/v1/subscriptions/${idIn(form, "subscription")}/poll`);
    return redirect(`jobs/${id}`, "The job is polled as soon as its connection's limits allow.");
  },
});

export const extendJob = defineAction({
  ...WRITE,
  path: "/jobs/:id/extend",
  async act({ id, api, form }) {
    const deadline_s = Number(form.get("deadline_s") ?? "");
    await api.send<Job>("POST", `/v1/jobs/${id}/extend`, { deadline_s });
    return redirect(`jobs/${id}`, "The job has more time.");
  },
});

export const cancelJob = defineAction({
  ...WRITE,
  path: "/jobs/:id/cancel",
  async act({ id, api, form }) {
    const subscription = idIn(form, "subscription");
    await api.send("DELETE", `/v1/subscriptions/${subscription}?cancel_job=true`);
    return redirect(`jobs/${id}`, "The provider is asked to cancel the job.");
  },
});

export const redeliver = defineAction({
  ...WRITE,
  path: "/jobs/:id/redeliver",
  inLinks: "all",
  async act({ id, api, form }) {
    await api.send("POST", `/v1/deliveries/${idIn(form, "delivery")}/redeliver`);
    return redirect(`jobs/${id}`, "The callback is sent again.");
  },
});

/** The whole result of a job, as the API gives it. */
export const resultDownload = definePage({
  path: "/results/:id",
  inLinks: "all",
  scope: "subscriptions:read",
  async show({ id, api }) {
    const response = await api.stream(`/v1/events/${id}/result`);
    return { kind: "download", response, fileName: `${id.replaceAll(/\W/g, "")}.json` };
  },
});

/** An id that a form names, as one segment of a path. */
function idIn(form: URLSearchParams, field: string): string {
  return encodeURIComponent(form.get(field) ?? "");
}
