import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  environmentOf,
  installPackage,
  type InstalledPackage,
  machineNode,
  PROJECT_NODE,
  readInstalled,
} from "../support/installed-package.ts";

/* The package as somebody gets it: packed, and installed into a folder of its own. */

/** Only ends what hangs. */
const TIMEOUT_MS = 400_000;

/** Programs of somebody who uses the package. */
const APP = join(import.meta.dirname, "app");
const TSC = join(import.meta.dirname, "../../node_modules/typescript/bin/tsc");

let installed: InstalledPackage;

beforeAll(async () => {
  installed = await installPackage();
}, TIMEOUT_MS);

afterAll(() => installed.remove());

test("the tarball holds what is run, its types and the migrations, and no source, test or tool", () => {
  const { packed } = installed;
  expect(packed).toEqual(
    expect.arrayContaining([
      "package.json",
      "README.md",
      "LICENSE",
      "dist/bin.js",
      "dist/main.js",
      "dist/console/assets/console.css",
      "dist/api/docs/reference.js.gz",
      "docs/guides/first-subscription.md",
      "drizzle/meta/_journal.json",
    ]),
  );
  const places = new Set(packed.map((file) => file.split("/")[0]));
  expect(places).toEqual(
    new Set(["package.json", "README.md", "LICENSE", "dist", "docs", "drizzle", "examples"]),
  );
  // `ringback init` writes files in the language of their platform.
  const own = packed.filter((file) => !/^examples\/(platforms|receivers)\//.test(file));
  expect(
    own.filter((file) => !/\.(js|d\.ts|json|sql|md|css|svg|gz)$|^LICENSE$/.test(file)),
  ).toEqual([]);
});

test("the package can be published: nothing keeps it private, and the files it names are in it", () => {
  const published = JSON.parse(readInstalled(installed, "package.json")) as {
    readonly private?: boolean;
    readonly repository?: object;
    readonly keywords?: readonly string[];
    readonly bin: Readonly<Record<string, string>>;
    readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  };
  expect(published.private).toBeUndefined();
  expect(published.repository).toBeDefined();
  expect(published.keywords?.length).toBeGreaterThan(3);
  expect(published.bin).toEqual({ ringback: "dist/bin.js" });
  const named = Object.values(published.exports).flatMap((target) =>
    typeof target === "string" ? [target] : [target["types"] ?? "", target["default"] ?? ""],
  );
  const missing = named.filter((file) => !installed.packed.includes(file.replace("./", "")));
  expect(missing).toEqual([]);
});

describe("npx ringback", () => {
  const REFUSED =
    /needs Node 24 or later, and this is 20\..*\n.*\n\n {2}npx --package=node@24 --package=ringback ringback start\n/;

  test("npx ringback on an older Node names the Node it needs and how to get it, and starts nothing", async () => {
    const pretend = `Object.defineProperty(process, "versions", { value: { node: "20.0.0" } })`;
    const { code, output } = await installed.run(PROJECT_NODE, "node", [
      "--import",
      `data:text/javascript,${encodeURIComponent(pretend)}`,
      "node_modules/ringback/dist/bin.js",
      "start",
    ]);
    expect(output).toMatch(REFUSED);
    expect(code).toBe(1);
  });

  test("npx ringback on the machine's own Node prints its version, and errors in plain words", async () => {
    const version = await installed.run(machineNode(), "npx", ["ringback", "--version"]);
    expect(version).toEqual({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    const args = ["ringback", "list", "--url", "http://127.0.0.1:9"];
    const refused = await installed.run(machineNode(), "npx", args);
    expect(refused.output).toMatch(/^Error: There is no API key for the gateway at http:/);
    expect(refused.code).toBe(3);
    const written = await installed.run(machineNode(), "npx", ["ringback", "init", "express"]);
    expect(written.output).toMatch(/^Next: npm install ringback express /m);
    expect(readFileSync(join(installed.path, "receiver.mjs"), "utf8")).toContain("express()");
  });

  test.each([
    ["--help", /^Usage: ringback \[command\]\n[^]*migrate/],
    ["--version", /^\d+\.\d+\.\d+\n$/],
  ])("npx ringback answers %s", async (option, printed) => {
    const { code, output } = await installed.run(PROJECT_NODE, "npx", ["ringback", option]);
    expect(output).toMatch(printed);
    expect(code).toBe(0);
  });

  test("npx ringback refuses an unknown command and lists the known ones", async () => {
    const { code, output } = await installed.run(PROJECT_NODE, "npx", ["ringback", "strat"]);
    expect(output).toMatch(/^Unknown command: strat\n\nUsage: ringback/);
    expect(code).toBe(1);
  });

  test(
    "npx ringback start runs the gateway with a Postgres of its own and no setting",
    { timeout: TIMEOUT_MS },
    async () => {
      const gateway = startInstalled({ PORT: "0", LOG_FORMAT: "json" });
      try {
        const { url } = await gateway.ready;
        expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ status: "ok" });
        const key = readFileSync(join(installed.path, ".ringback/api-key"), "utf8").trim();
        const answer = await fetch(`${url}/v1/project`, {
          headers: { authorization: `Bearer ${key}` },
        });
        expect(answer.status).toBe(200);
        expect((await fetch(`${url}/docs/reference.js`)).status).toBe(200);
        expect(await (await fetch(`${url}/docs/guides.json`)).text()).toContain("# Verify");
      } finally {
        await gateway.stop();
      }
    },
  );
});

test(
  "the client and a receiver of the package work on the machine's own Node",
  { timeout: TIMEOUT_MS },
  async () => {
    const apiKey = "rb_installed_package_test";
    const gateway = startInstalled({
      PORT: "0",
      LOG_FORMAT: "json",
      RINGBACK_SANDBOX: "1",
      RINGBACK_EGRESS_ALLOW: "127.0.0.0/8",
      RINGBACK_API_KEY: apiKey,
    });
    try {
      const { url } = await gateway.ready;
      cpSync(join(APP, "watch.mjs"), join(installed.path, "watch.mjs"));
      const settings = [`GATEWAY=${url}`, `API_KEY=${apiKey}`];
      const { output, code } = await installed.run(machineNode(), "env", [
        ...settings,
        "node",
        "watch.mjs",
      ]);
      expect(code, output).toBe(0);
      const raw = '{"decimal":1.10,"integer":12345678901234567890}';
      expect(JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "")).toEqual({
        ending: "job.completed",
        raw,
        callback: { id: expect.stringMatching(/^msg_/), result: raw, metadata: { invoice: 17 } },
        ed25519: 204,
      });

      const cli = (...args: string[]) =>
        installed.run(machineNode(), "env", [
          `RINGBACK_URL=${url}`,
          `RINGBACK_API_KEY=${apiKey}`,
          "node",
          "node_modules/ringback/dist/bin.js",
          ...args,
        ]);
      const listed = await cli("list", "--json");
      const { job_id: job } = JSON.parse(listed.output.split("\n")[0] ?? "") as { job_id: string };
      expect(await cli("wait", job, "--result")).toEqual({ code: 0, output: raw });
      expect((await cli("why", job)).output).toContain(`${job} at sandbox/default: completed`);
    } finally {
      await gateway.stop();
    }
  },
);

test(
  "the package's types compile by the strictest settings, without Node's",
  { timeout: TIMEOUT_MS },
  async () => {
    cpSync(join(APP, "consumer.txt"), join(installed.path, "consumer.ts"));
    const compilerOptions = {
      target: "es2022",
      lib: ["es2022", "dom", "dom.iterable"],
      module: "nodenext",
      strict: true,
      skipLibCheck: false,
      types: [],
      noEmit: true,
    };
    const config = { compilerOptions, files: ["consumer.ts"] };
    writeFileSync(join(installed.path, "tsconfig.json"), JSON.stringify(config));
    const { code, output } = await installed.run(PROJECT_NODE, "node", [TSC, "-p", "."]);
    expect(output).toBe("");
    expect(code).toBe(0);
  },
);

interface InstalledGateway {
  /** Rejects with what it printed if it ends first. */
  readonly ready: Promise<{ readonly url: string }>;
  /** Ends it with everything that it started. */
  stop(): Promise<void>;
}

function startInstalled(env: Readonly<Record<string, string>>): InstalledGateway {
  const child = spawn("npx", ["ringback", "start"], {
    cwd: installed.path,
    env: { ...environmentOf(PROJECT_NODE), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly url: string }>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const [, url] = /"url":"([^"]+)"[^\n]*"msg":"Ringback is ready"/.exec(output) ?? [];
      if (url !== undefined) resolve({ url });
    });
  }
  const gone = once(child, "close");
  void gone.then(() => reject(new Error(`It ended, after it had printed:\n${output}`)));
  return {
    ready: promise,
    async stop() {
      process.kill(-(child.pid ?? 0), "SIGTERM");
      await gone;
    },
  };
}
