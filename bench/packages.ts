import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Installs what only the benchmark needs (the rivals, the library that draws) unless it is there
 * already, as the lock file says. The gateway's own packages come with `npm ci` at the top.
 */
export function installPackages(): void {
  const wanted = fileURLToPath(new URL("package-lock.json", import.meta.url));
  const present = fileURLToPath(new URL("node_modules/.package-lock.json", import.meta.url));
  if (existsSync(present) && statSync(present).mtimeMs >= statSync(wanted).mtimeMs) return;
  console.error("installing the benchmark's own packages: npm ci --prefix bench");
  // Its words go where the progress goes: figures alone are on the standard output.
  execFileSync("npm", ["ci"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
}
