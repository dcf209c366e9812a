import { spawnSync } from "node:child_process";
import { z } from "zod";

/*
 * `npm audit` over the lock file: exits 0 when no known vulnerability is in it, 1 when there is one,
 * and 2 when the registry does not answer the question, as some mirrors don't: then nothing was
 * checked. Not part of the gate, which needs no network.
 */

const reportSchema = z.object({
  metadata: z.object({
    vulnerabilities: z.object({ total: z.number() }).catchall(z.number()),
  }),
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), range: z.string() })),
});

const { stdout, stderr } = spawnSync("npm", ["audit", "--package-lock-only", "--json"], {
  cwd: new URL("../", import.meta.url),
  encoding: "utf8",
  maxBuffer: 64 * 2 ** 20,
});
const report = reportSchema.safeParse(parse(stdout));
if (report.success) {
  const found = Object.entries(report.data.vulnerabilities);
  for (const [name, { severity, range }] of found) {
    process.stdout.write(`${severity}: ${name} ${range}\n`);
  }
  process.stdout.write(`Vulnerable packages: ${report.data.metadata.vulnerabilities.total}\n`);
  process.exitCode = found.length === 0 ? 0 : 1;
} else {
  process.stderr.write(
    "Nothing was checked: the registry that npm is configured for answers no audit requests. " +
      `Run this where it does, or with another registry. npm says:\n${stderr || stdout}\n`,
  );
  process.exitCode = 2;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
