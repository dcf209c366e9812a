import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** The files that pages load. */
const FILES = {
  "console.css": {
    type: "text/css; charset=utf-8",
    url: new URL("assets/console.css", import.meta.url),
  },
  "console.js": {
    type: "text/javascript; charset=utf-8",
    url: new URL("assets/console.js", import.meta.url),
  },
  "icon.svg": { type: "image/svg+xml", url: new URL("assets/icon.svg", import.meta.url) },
  "htmx.js": {
    type: "text/javascript; charset=utf-8",
    url: new URL(import.meta.resolve("htmx.org/dist/htmx.min.js")),
  },
} as const;

export type AssetName = keyof typeof FILES;

const VERSION_DIGITS = 12;
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly version: string;
  /** Compressed forms, kept after the first request for each. */
  readonly compressed: Map<"br" | "gzip", Promise<Uint8Array<ArrayBuffer>>>;
}

/** The files that pages load, read and compressed once. Addresses name the content, so browsers keep it for good. */
export class Assets {
  readonly #assets = new Map<AssetName, Asset>();

  /** Below the console. */
  pathOf(name: AssetName): string {
    return `assets/${this.#read(name).version}/${name}`;
  }

  /** Null when there is no such file, or its content is another one. */
  async answer(version: string, name: string, acceptEncoding: string): Promise<Response | null> {
    if (!isAssetName(name)) return null;
    const asset = this.#read(name);
    if (asset.version !== version) return null;
    const encoding = ENCODINGS.find((known) => acceptEncoding.includes(known)) ?? null;
    const body = encoding === null ? asset.bytes : await compressed(asset, encoding);
    return new Response(body, {
      headers: {
        "content-type": asset.type,
        "cache-control": "public, max-age=31536000, immutable",
        vary: "accept-encoding",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
        ...(encoding !== null && { "content-encoding": encoding }),
      },
    });
  }

  #read(name: AssetName): Asset {
    const known = this.#assets.get(name);
    if (known !== undefined) return known;
    const { type, url } = FILES[name];
    const bytes = new Uint8Array(readFileSync(fileURLToPath(url)));
    const version = createHash("sha256").update(bytes).digest("hex").slice(0, VERSION_DIGITS);
    const asset = { type, bytes, version, compressed: new Map() };
    this.#assets.set(name, asset);
    return asset;
  }
}

const ENCODINGS = ["br", "gzip"] as const;

function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(FILES, name);
}

function compressed(asset: Asset, encoding: "br" | "gzip"): Promise<Uint8Array<ArrayBuffer>> {
  const known = asset.compressed.get(encoding);
  if (known !== undefined) return known;
  const made =
    encoding === "br"
      ? promisify(brotliCompress)(asset.bytes, BROTLI)
      : promisify(gzip)(asset.bytes, { level: constants.Z_BEST_COMPRESSION });
  const bytes = made.then((buffer) => new Uint8Array(buffer));
  asset.compressed.set(encoding, bytes);
  return bytes;
}
