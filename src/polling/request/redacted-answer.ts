import { isUtf8 } from "node:buffer";
import type { UpstreamResponse } from "../../providers/language/read-body.ts";
import type { UpstreamAccess } from "../upstream/access.ts";
import { decodeAnswer } from "./interpret-response.ts";

/**
 * The answer without the credential, should the upstream echo it: taken out before anything is read
 * from it or cut.
 * @param bytesMax of a body whose content encoding is undone
 */
export function redactedAnswer(
  encoded: UpstreamResponse,
  { redactText }: Pick<UpstreamAccess, "redactText">,
  bytesMax: number,
): UpstreamResponse {
  const undecodable = `decompressed, it is larger than ${bytesMax} bytes`;
  const decoded = decodeAnswer(encoded, bytesMax) ?? { ...encoded, undecodable };
  const { headers, body } = decoded;
  // Anything else than UTF-8 must stay what it is, byte by byte.
  const encoding = isUtf8(body) ? "utf8" : "latin1";
  return {
    ...decoded,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        typeof value === "string" ? redactText(value) : value?.map(redactText),
      ]),
    ),
    body: Buffer.from(redactText(body.toString(encoding)), encoding),
  };
}
