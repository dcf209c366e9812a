/**
 * Permissions of an API key. A closed list; `admin` holds all others, and `submit` holds nothing but
 * sending requests through the gateway.
 */
export const SCOPES = ["subscriptions:write", "subscriptions:read", "submit", "admin"] as const;

export type Scope = (typeof SCOPES)[number];
