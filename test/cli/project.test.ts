import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import {
  PROJECT_LIMIT_NAMES,
  type ProjectLimitName,
} from "../../src/core/limits/project-limits.ts";
import { readProjectCommand, runProjectCommand } from "../../src/cli/operator/project.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { type Api, apiOf } from "../support/api-client.ts";
import { startFakeUpstream, pulseAnswer, type FakeUpstream } from "../support/fake-upstream.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { startReceiver, type Receiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/** Limits on rows that a project with a connection has. */
const STORED: ReadonlySet<ProjectLimitName> = new Set(["connections", "api_keys"]);

/** A command that sets a limit of the project `acme`. */
function limit(name: ProjectLimitName, value: number | null): object {
  return { kind: "set-limit", name: "acme", limit: name, value };
}

describe("reading the command line", () => {
  test.each([
    [["list"], { kind: "list" }],
    [["create", "acme"], { kind: "create", name: "acme" }],
    [["key", "a.b-c_1"], { kind: "key", name: "a.b-c_1" }],
    [["limits", "acme"], { kind: "limits", name: "acme" }],
    [["allow", "acme", "0"], limit("live_jobs", 0)],
    [["allow", "acme", "1000000000"], limit("live_jobs", 1_000_000_000)],
    [["allow", "acme", "default"], limit("live_jobs", null)],
    [["set-limit", "acme", "lists_running", "3"], limit("lists_running", 3)],
    [["set-limit", "acme", "lists_running", "default"], limit("lists_running", null)],
    [["set-frames", "acme", "none"], { kind: "set-frames", name: "acme", origins: [] }],
    [
      ["set-frames", "acme", "https://a.example,http://localhost:3000"],
      {
        kind: "set-frames",
        name: "acme",
        origins: ["https://a.example", "http://localhost:3000"],
      },
    ],
  ])("the project command understands %j", (args, command) => {
    expect(readProjectCommand(args)).toEqual(command);
  });

  test.each([
    [[]],
    [["list", "acme"]],
    [["create", "a", "b"]],
    [["key", "acme", "more"]],
    [["allow", "acme"]],
    [["allow", "acme", "1", "2"]],
    [["set-limit", "acme", "lists_running"]],
    [["set-limit", "acme", "lists_running", "3", "4"]],
    [["set-frames", "acme"]],
    [["set-frames", "acme", "https://a.example", "https://b.example"]],
    [["delete", "acme"]],
  ])("the project command does not understand %j", (args) => {
    expect(readProjectCommand(args)).toBeNull();
  });

  const MANY = Array.from({ length: 200 }, (_, index) => `https://${index}.example`).join(",");

  test.each([
    [["create", ""], `A project can't be called "".`, "1 to 63 letters"],
    [["create", "a b"], `A project can't be called "a b".`, "1 to 63 letters"],
    [["key", "-a"], `A project can't be called "-a".`, "1 to 63 letters"],
    [["limits", "a".repeat(64)], "A project can't be called", "1 to 63 letters"],
    [["allow", "acme", "-1"], `"-1" is too small.`, "from 0 to 1000000000, or default"],
    [["allow", "acme", "1e3"], `"1e3" is not a whole number.`, "or default"],
    [["allow", "acme", "1000000001"], `"1000000001" is too large.`, "or default"],
    [["set-limit", "acme", "unheard_of", "3"], `"unheard_of" is no limit.`, "lists_running, "],
    [["set-frames", "acme", "https://a.example/"], `"https://a.example/" is no origin.`, "or none"],
    [["set-frames", "acme", MANY], "These are too many origins.", "or none"],
  ])("the project command says what is wrong with %j, and what is valid", (args, message, hint) => {
    expect(() => readProjectCommand(args)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      }),
    );
  });
});

describe("on a database that a gateway uses", () => {
  const ENVIRONMENT = gatewayEnvironment("");
  let gateway: TestGateway;
  let upstream: FakeUpstream;
  let receiver: Receiver;

  beforeAll(async () => {
    gateway = await startTestGateway({
      RINGBACK_ENCRYPTION_KEYS: ENVIRONMENT["RINGBACK_ENCRYPTION_KEYS"] ?? "",
    });
    upstream = await startFakeUpstream();
  });

  afterAll(async () => {
    await upstream.close();
    await receiver.close();
    await gateway.discard();
  });

  /** @returns the printed text */
  async function run(...args: string[]): Promise<string> {
    const command = readProjectCommand(args);
    const loaded = loadConfig({ ...ENVIRONMENT, DATABASE_URL: gateway.databaseUrl }, false);
    if (command === null || loaded.kind === "invalid") throw new Error("not a command");
    const log = createLog({ level: "silent", format: "json" });
    return (await runProjectCommand(command, loaded.config, { clock: systemClock, log })).text;
  }

  function keyIn(output: string): string {
    const [key] = /rb_\S+/.exec(output) ?? [];
    if (key === undefined) throw new Error(output);
    return key;
  }

  function apiWith(key: string): Api {
    const api = apiOf(gateway.url);
    return (method, path, body) => api(method, path, body, { authorization: `Bearer ${key}` });
  }

  test("a project that is alone may send more requests than one among others", async () => {
    const allowed = async () =>
      (await gateway.api("GET", "/v1/project")).body.limits.requests_per_second.allowed;
    expect(await allowed()).toBe(20_000);
    expect(await run("limits", "default")).toMatch(/requests_per_second +20000 /);
    await run("create", "another");
    // The gateway hears of it within a second.
    await expect.poll(allowed, { timeout: 60_000 }).toBe(2_000);
    expect(await run("limits", "default")).toMatch(/requests_per_second +2000 /);
  });

  test("a project created beside a running gateway has its own key, sees nothing of others, and gets its callbacks", async () => {
    const api = apiWith(keyIn(await run("create", "acme")));
    expect((await api("GET", "/v1/project")).body).toMatchObject({ name: "acme" });
    const secrets = (await api("GET", "/v1/signing-secrets")).body.data;
    expect(secrets).toHaveLength(1);
    receiver = await startReceiver(secrets[0].secret);
    const connection = { provider: "pulse", credential: "key", base_url: upstream.origin };
    expect((await api("POST", "/v1/connections", connection)).status).toBe(201);
    upstream.answer("of-acme", pulseAnswer.completed());
    const wish = { job_id: "of-acme", callback_url: receiver.url("/acme") };
    const subscription = await api("POST", "/v1/subscriptions", wish);
    expect(subscription.status).toBe(201);
    expect((await receiver.takeOne("/acme")).event.type).toBe("job.completed");
    const path = `/v1/subscriptions/${subscription.body.id}`;
    expect((await gateway.api("GET", path)).status).toBe(404);
    expect((await gateway.api("GET", "/v1/connections")).body.data).toEqual([]);
  });

  test("a project's name is taken only once; another key is created for it instead", async () => {
    const first = keyIn(await run("create", "twice"));
    await expect(run("create", "twice")).rejects.toThrow("there is a project twice already");
    const second = keyIn(await run("key", "twice"));
    expect(second).not.toBe(first);
    for (const key of [first, second]) {
      expect((await apiWith(key)("GET", "/v1/project")).body).toMatchObject({ name: "twice" });
    }
    await expect(run("key", "absent")).rejects.toThrow("there is no project absent");
  });

  test("a limit on live jobs applies to its project alone, also on a running gateway", async () => {
    const api = apiWith(keyIn(await run("create", "bounded")));
    const connection = { provider: "pulse", credential: "key", base_url: upstream.origin };
    await api("POST", "/v1/connections", connection);
    expect(await run("allow", "bounded", "0")).toContain("live_jobs of project bounded is 0");
    const limit = async () => (await api("GET", "/v1/project")).body.live_jobs_allowed;
    expect(await limit()).toBe(0);
    let jobs = 0;
    const subscribe = async () => {
      jobs += 1;
      const wish = { job_id: `job-${jobs}`, callback_url: "https://app.example.com/hook" };
      return (await api("POST", "/v1/subscriptions", wish)).body.code;
    };
    // The gateway hears of it within a second.
    await expect.poll(subscribe, { timeout: 60_000 }).toBe("too_many_live_jobs");
    await run("allow", "bounded", "default");
    expect(await limit()).toBe(2_000_000);
    await expect(run("allow", "absent", "1")).rejects.toThrow("there is no project absent");
  });

  test("any limit can be set and reset; the command and the API show the value in force", async () => {
    const api = apiWith(keyIn(await run("create", "limited")));
    const shown = async () => (await api("GET", "/v1/project")).body.limits.lists_running;
    expect(await shown()).toEqual({ allowed: 2, used: 0 });
    await run("set-limit", "limited", "lists_running", "3");
    expect(await shown()).toEqual({ allowed: 3, used: 0 });
    expect(await run("limits", "limited")).toMatch(
      /lists_running +3 +requests +this project's own/,
    );
    await run("set-limit", "limited", "lists_running", "default");
    expect(await shown()).toEqual({ allowed: 2, used: 0 });
    expect(await run("limits", "limited")).toMatch(
      /lists_running +2 +requests +RINGBACK_PROJECT_LISTS_RUNNING/,
    );
    await expect(run("limits", "absent")).rejects.toThrow("there is no project absent");
  });

  test("each limit is set by the command, shown with what is used of it, and in the metrics", async () => {
    const api = apiWith(keyIn(await run("create", "walked")));
    const connection = { provider: "pulse", credential: "key", base_url: upstream.origin };
    expect((await api("POST", "/v1/connections", connection)).status).toBe(201);
    const allowedOf = (index: number) => 1_000 + index;
    for (const [index, name] of PROJECT_LIMIT_NAMES.entries()) {
      await run("set-limit", "walked", name, String(allowedOf(index)));
    }
    const { id, limits } = (await api("GET", "/v1/project")).body;
    expect(Object.keys(limits)).toEqual(PROJECT_LIMIT_NAMES);
    for (const [index, name] of PROJECT_LIMIT_NAMES.entries()) {
      expect(limits[name].allowed, name).toBe(allowedOf(index));
      // It is used by each job, not by the project.
      const isOfJobs = name === "subscriptions_per_job";
      expect(limits[name].used, name).toEqual(isOfJobs ? null : expect.any(Number));
    }
    const stored = PROJECT_LIMIT_NAMES.filter((name) => STORED.has(name));
    for (const name of stored) expect(limits[name].used).toBeGreaterThan(0);
    const inMetrics = async (): Promise<string[]> => {
      const { text } = await gateway.api("GET", "/metrics");
      return stored.filter((limit) => {
        const labels = `{limit="${limit}",project="${id}"}`;
        return text.includes(`ringback_project_limit_used${labels} ${limits[limit].used}\n`);
      });
    };
    // A scrape counts for those after it, and the longer counting takes the more seldom.
    await gateway.pass(600_000);
    await expect.poll(inMetrics, { timeout: 60_000 }).toEqual(stored);
  });

  test("every command that changes something has an entry in the project's audit log", async () => {
    const api = apiWith(keyIn(await run("create", "audited")));
    await run("key", "audited");
    await run("set-limit", "audited", "lists_running", "3");
    await run("allow", "audited", "default");
    await run("limits", "audited");
    await run("list");
    const { data } = (await api("GET", "/v1/audit-log")).body;
    const told = data.map((entry: { action: string; details: object; actor: object }) => [
      entry.action,
      entry.actor,
      entry.details,
    ]);
    const by = (command: string) => ({ kind: "operator", command: `project ${command}` });
    expect(told.toReversed()).toEqual([
      ["project.created", by("create"), { name: "audited" }],
      [
        "api_key.created",
        by("key"),
        { name: "made by the operator", scopes: ["admin"], expires_at: null },
      ],
      ["project.limit_changed", by("set-limit"), { limit: "lists_running", value: 3 }],
      ["project.limit_changed", by("set-limit"), { limit: "live_jobs", value: null }],
    ]);
  });

  test("the project command lists all projects", async () => {
    await run("allow", "twice", "7");
    const lines = (await run("list")).split("\n");
    expect(lines[0]).toMatch(/^name +id +live jobs +allowed +created$/);
    expect(lines.find((line) => line.startsWith("default"))).toMatch(/prj_\w{32} +0 +default +20/);
    expect(lines.find((line) => line.startsWith("twice"))).toMatch(/ 0 +7 +20/);
  });
});
