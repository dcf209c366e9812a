const FORM_BYTES_MAX = 512 * 1024;

/** The fields of a form that was sent; null when it is none, or too large. */
export async function readForm(request: Request): Promise<URLSearchParams | null> {
  const [type = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== "application/x-www-form-urlencoded") return null;
  if (Number(request.headers.get("content-length") ?? 0) > FORM_BYTES_MAX) return null;
  if (request.body === null) return new URLSearchParams();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > FORM_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}
