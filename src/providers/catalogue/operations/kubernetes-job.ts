import type { ProviderDefinitionSource } from "../../definition/definition.ts";

/** A job reports its state as conditions; one counts only while its status is "True". */
function holds(type: string) {
  return {
    pointer: "/status/conditions",
    some: [
      { pointer: "/type", eq: type },
      { pointer: "/status", eq: "True" },
    ],
  };
}

/** A Job of Kubernetes, batch/v1. */
export const kubernetesJob = {
  name: "kubernetes-job",
  title: "Kubernetes Jobs",
  documentation_url:
    "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/",
  notes:
    "The job id is the Job's name. The connection's base_url is the cluster's API server, its " +
    "credential the token of a service account that may get jobs (and delete them, to cancel). The " +
    "result is the Job's status. Canceling deletes the Job with its pods, after which it is unknown: " +
    "expired. A cluster's own certificate authority is made known to Node by NODE_EXTRA_CA_CERTS, a " +
    "private address by RINGBACK_EGRESS_ALLOW. Let ttlSecondsAfterFinished be a few minutes at least.",
  auth: { kind: "bearer" },
  params: { namespace: { description: "The Job's namespace.", default: "default" } },
  status: { path: "/apis/batch/v1/namespaces/{params.namespace}/jobs/{job_id}" },
  submit: [
    {
      path: "/apis/batch/v1/namespaces/{namespace}/jobs",
      when: { http_status: [201, 202], all: [{ pointer: "/kind", eq: "Job" }] },
      job_id: { pointer: "/metadata/name" },
      params: { namespace: { path: "namespace" } },
    },
  ],
  cancel: {
    method: "DELETE",
    path: "/apis/batch/v1/namespaces/{params.namespace}/jobs/{job_id}",
    query: { propagationPolicy: "Background" },
  },
  rules: [
    { http_status: 200, all: [holds("Complete")], observe: "completed" },
    { http_status: 200, all: [holds("Failed")], observe: "failed" },
    { http_status: 200, all: [holds("Suspended")], observe: "running", phase: "pending" },
    {
      http_status: 200,
      all: [{ pointer: "/status/startTime", exists: true }],
      observe: "running",
    },
    {
      note: "The controller has not seen it yet.",
      http_status: 200,
      all: [{ pointer: "/kind", eq: "Job" }],
      observe: "running",
      phase: "pending",
    },
  ],
  extract: {
    progress: {
      active: "/status/active",
      succeeded: "/status/succeeded",
      failed: "/status/failed",
      completions: "/spec/completions",
    },
    error: ["/message", "/status/conditions"],
    created_at: ["/metadata/creationTimestamp"],
    updated_at: ["/status/completionTime", "/status/startTime"],
  },
  result: { kind: "inline", at: ["/status"] },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 20 },
  // The cluster's own store responds, so a 404 is seldom temporary.
  gone_after: { answers: 2, over_s: 10 },
  deadline_s: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
