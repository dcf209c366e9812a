import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

/** The script that shows an OpenAPI document in a browser. `tools/reference-bundle.ts` writes the files. */
export interface ReferenceBundle {
  /** Changes with the script. */
  readonly version: string;
  readonly gzipped: Uint8Array;
}

/** It has more than a megabyte, so it is read when somebody first opens the documentation. */
export async function readReferenceBundle(): Promise<ReferenceBundle> {
  const gzipped = await readFile(new URL("./reference.js.gz", import.meta.url));
  const source = JSON.parse(
    await readFile(new URL("./reference.js.json", import.meta.url), "utf8"),
  ) as { readonly version: string };
  return { version: source.version, gzipped };
}

/** For the rare client that takes nothing compressed. */
export function uncompressed({ gzipped }: ReferenceBundle): Uint8Array {
  return gunzipSync(gzipped);
}
