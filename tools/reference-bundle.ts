/*
 * Writes the script of the documentation page, `src/api/docs/reference.js.gz`, from the package that has it:
 * Scalar's standalone bundle. It is kept in the repository, since its package brings 270 others along that
 * the bundle holds already and nothing here imports. To change the version, change both constants.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const PACKAGE = "@scalar/api-reference";
const VERSION = "1.76.0";
/** As the registry has it for this version. */
const INTEGRITY =
  "sha512-pjqwnzmA9YK3ZX+IZSICMsywm4qI6HLSngR2py9H6TvFApHHuJjkTAd+gFJfnqJDzJuro8k7ji6JCtJ2U+Byng==";
const BUNDLE = "package/dist/browser/standalone.js";

const folder = mkdtempSync(join(tmpdir(), "ringback-reference-"));
try {
  const arguments_ = ["pack", `${PACKAGE}@${VERSION}`, "--json", "--pack-destination", folder];
  const [packed] = JSON.parse(execFileSync("npm", arguments_, { encoding: "utf8" })) as [
    { readonly filename: string },
  ];
  const tarball = join(folder, packed.filename);
  const integrity = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (integrity !== INTEGRITY) throw new Error(`The tarball's integrity is ${integrity}.`);
  const options = { maxBuffer: 2 ** 26 };
  const bundle = execFileSync(
    "tar",
    ["--extract", "--to-stdout", "--file", tarball, BUNDLE],
    options,
  );
  const to = resolve(import.meta.dirname, "../src/api/docs");
  writeFileSync(join(to, "reference.js.gz"), gzipSync(bundle, { level: 9 }));
  const sha256 = createHash("sha256").update(bundle).digest("hex");
  const source = { package: PACKAGE, version: VERSION, license: "MIT", integrity, sha256 };
  writeFileSync(join(to, "reference.js.json"), `${JSON.stringify(source, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
