import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { binariesIn, findPostgresPackage } from "../src/embedded-postgres/binaries.ts";
import type { Outcome } from "./report.ts";
import type { BenchSettings } from "./scenario.ts";

/** All that was measured on one day, as it is kept in `results/<date>.json`. */
export interface Results {
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory_gib: number;
    readonly system: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** By name. A second measurement on the same day replaces the first. */
  readonly scenarios: Readonly<Record<string, ScenarioResult>>;
}

interface ScenarioResult extends Omit<Outcome, "scenario"> {
  readonly title: string;
  /** Null outside of a checkout. Ends with `+` when something was not committed. */
  readonly commit: string | null;
  readonly settings: {
    readonly runs: number;
    readonly warm_up_ms: number;
    readonly window_ms: number;
  };
}

/** Adds what a scenario has measured to the results of this day; where those are. */
export function keepResult(
  { scenario, figures }: Outcome,
  title: string,
  { runs, warmUpMs, windowMs }: BenchSettings,
): URL {
  const date = new Date().toISOString().slice(0, 10);
  const file = new URL(`results/${date}.json`, import.meta.url);
  const before = existsSync(file) ? readResults(file).scenarios : {};
  const result: ScenarioResult = {
    title,
    commit: currentCommit(),
    settings: { runs, warm_up_ms: warmUpMs, window_ms: windowMs },
    figures,
  };
  const results: Results = {
    date,
    machine: describeMachine(),
    versions: describeVersions(),
    scenarios: { ...before, [scenario]: result },
  };
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return file;
}

export function readResults(file: URL): Results {
  return JSON.parse(readFileSync(file, "utf8")) as Results;
}

function describeMachine(): Results["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
  };
}

function describeVersions(): Results["versions"] {
  const root = readManifest("../package.json");
  const own = readManifest("package.json");
  const { postgres } = binariesIn(findPostgresPackage().native);
  const version = execFileSync(postgres, ["--version"], { encoding: "utf8" });
  return {
    ringback: root.version,
    node: process.versions.node,
    postgres: /[\d.]+/.exec(version)?.[0] ?? "unknown",
    undici: root.dependencies["undici"] ?? "unknown",
    "pg-boss": own.dependencies["pg-boss"] ?? "unknown",
    "graphile-worker": own.dependencies["graphile-worker"] ?? "unknown",
  };
}

function readManifest(path: string): { version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
}

function currentCommit(): string | null {
  const git = (...args: readonly string[]): string =>
    execFileSync("git", args, {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const isClean = git("status", "--porcelain", "--", "../src", ".", ":!results") === "";
    return git("rev-parse", "--short", "HEAD") + (isClean ? "" : "+");
  } catch {
    return null;
  }
}
