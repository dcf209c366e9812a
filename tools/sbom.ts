import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { z } from "zod";

/*
 * Prints what a production install consists of, as CycloneDX JSON, from the lock file alone: no
 * network and no installed packages are needed. Tools are taken out here rather than by npm's own
 * `--omit=dev`, which also loses packages that both the program and a tool need.
 */

const ARGUMENTS = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application"];

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      version: z.string().optional(),
      dev: z.boolean().optional(),
    }),
  ),
});

const bomSchema = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({ "bom-ref": z.string() }) }),
  components: z.array(z.looseObject({ "bom-ref": z.string() })),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

const project = new URL("../", import.meta.url);
const read = (file: string): unknown => JSON.parse(readFileSync(new URL(file, project), "utf8"));

const { status, stdout, stderr } = spawnSync("npm", [...ARGUMENTS, "--package-lock-only"], {
  cwd: project,
  encoding: "utf8",
  maxBuffer: 64 * 2 ** 20,
});
if (status === 0) process.stdout.write(`${JSON.stringify(ofProduction(stdout), null, 2)}\n`);
else {
  process.stderr.write(`npm sbom failed:\n${stderr}`);
  process.exitCode = 1;
}

function ofProduction(text: string): unknown {
  const bom = bomSchema.parse(JSON.parse(text));
  const { name } = z.object({ name: z.string() }).parse(read("package.json"));
  const { component } = bom.metadata;
  const kept = new Set([component["bom-ref"], ...installedReferences()]);
  return {
    ...bom,
    // npm takes the folder's name.
    metadata: { ...bom.metadata, component: { ...component, name } },
    components: bom.components.filter((one) => kept.has(one["bom-ref"])),
    dependencies: bom.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => kept.has(one)) })),
  };
}

/** `name@version` of what is installed without the development tools, for any platform. */
function installedReferences(): string[] {
  return Object.entries(lockSchema.parse(read("package-lock.json")).packages)
    .filter(([path, { dev }]) => path.includes("node_modules/") && dev !== true)
    .map(([path, { name, version }]) => `${name ?? path.split("node_modules/").at(-1)}@${version}`);
}
