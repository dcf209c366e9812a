import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/*
 * A real browser that npm brings along: Chromium's headless shell, with the shared libraries and fonts
 * that a machine without any browser lacks.
 */

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))));
const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as {
  readonly version: string;
};
/** Unpacked once for all test files, in so many megabytes that each should not have its own. */
const FOLDER = join(tmpdir(), `ringback-chromium-${version}`);
const ARCHIVES = ["chromium.br", "al2023.tar.br", "fonts.tar.br"];
const LAUNCH_TIMEOUT_MS = 120_000;

/** The package's own names other folders, and without a font Chromium ends at the first input field. */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${FOLDER}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${FOLDER}/fonts-cache</cachedir>
</fontconfig>
`;

/** Launched once for a test file, which closes it. */
export async function launchBrowser(): Promise<Browser> {
  await unpack();
  return chromium.launch({
    executablePath: join(FOLDER, "chromium"),
    // As root, and with no more shared memory than a container has.
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--font-render-hinting=none",
    ],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: FOLDER,
      LD_LIBRARY_PATH: join(FOLDER, "al2023", "lib"),
      FONTCONFIG_FILE: join(FOLDER, "fonts.conf"),
    },
    timeout: LAUNCH_TIMEOUT_MS,
  });
}

/** Test files may come to this at the same time: each unpacks for itself, and the first one is kept. */
async function unpack(): Promise<void> {
  if (existsSync(FOLDER)) return;
  const temporary = mkdtempSync(`${FOLDER}-`);
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = temporary;
  try {
    // It asks for the temporary folder at once.
    await Promise.all(ARCHIVES.map((name) => inflate(join(PACKAGE, "bin", name))));
    writeFileSync(join(temporary, "fonts.conf"), FONTS);
  } finally {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  }
  try {
    renameSync(temporary, FOLDER);
  } catch {
    rmSync(temporary, { recursive: true });
  }
}
