/** Every change that the audit log has an entry for. A closed list; a name never changes its meaning. */
export const AUDIT_ACTIONS = [
  "api_key.created",
  "api_key.revoked",
  "console_link.created",
  "console_link.revoked",
  "console_links.revoked",
  "connection.created",
  "connection.changed",
  "connection.deleted",
  "project.created",
  "project.changed",
  "project.limit_changed",
  "provider.created",
  "provider.changed",
  "provider.deleted",
  "secrets.resealed",
  "signing_key.rotated",
  "signing_secret.rotated",
] as const;

export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Details of a change: names and numbers, never a secret or a value that may hold one. */
export type AuditDetails = Readonly<Record<string, string | number | null | readonly string[]>>;
