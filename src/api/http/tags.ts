/** The groups of the documentation, in its order. Each operation belongs to one. */
export const TAGS = {
  Subscriptions: "Ask to be called back when a job ends.",
  Jobs: "Watched jobs, their state, and why a callback has not arrived.",
  Deliveries: "The callbacks of subscriptions, with each attempt to send them.",
  Inboxes: "Messages that clients pull, when callbacks can't reach them.",
  Redeliveries: "Send many deliveries again, in the background.",
  "Callback origins": "The hosts that callbacks go to, and whether they respond.",
  Callbacks: "Try a callback URL before anything depends on it.",
  "Submit through": "Requests that are passed on to an upstream, and the jobs that they start.",
  Events: "What happened to jobs, and their results.",
  Connections: "Credentials and limits for the APIs whose jobs are watched.",
  Providers: "How the jobs of an API are polled and its responses interpreted.",
  Project: "The settings and limits of the API key's project.",
  "Signing secrets": "The secrets that sign callbacks with HMAC-SHA256 (`v1`).",
  "Signing keys": "The key pairs that sign callbacks with Ed25519 (`v1a`).",
  "API keys": "Who may use this API, and for what.",
  "Audit log": "Who changed keys, secrets, connections, providers and settings.",
  System: "The state of the gateway, for its operator's machines.",
  Documentation: "This API, described for people and for programs.",
} as const satisfies Readonly<Record<string, string>>;

export type TagName = keyof typeof TAGS;
