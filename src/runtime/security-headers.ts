import { createHash } from "node:crypto";

/**
 * The headers of a web page that runs and loads nothing but its own style and script, can't be
 * framed, submits no form, and sends no referrer.
 * @param style the text within its one `<style>` element
 * @param script the text within its one `<script>` element, if it has one
 * @param asksItself whether the script sends requests, to this gateway alone
 */
export function pageHeaders({
  style,
  script,
  asksItself = false,
}: {
  readonly style: string;
  readonly script?: string;
  readonly asksItself?: boolean;
}) {
  const policy = [
    "default-src 'none'",
    `style-src '${hashOf(style)}'`,
    ...(script === undefined ? [] : [`script-src '${hashOf(script)}'`]),
    ...(asksItself ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
  };
}

function hashOf(source: string): string {
  return `sha256-${createHash("sha256").update(source).digest("base64")}`;
}

/**
 * Headers of every answer: browsers must not read it as another type than it declares, nor reveal where a
 * link was followed.
 */
export const ANSWER_HEADERS = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
] as const;
