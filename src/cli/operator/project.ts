import type { Config } from "../../config.ts";
import { publicId } from "../../core/ids/ids.ts";
import {
  environmentNameOf,
  limitMaxOf,
  limitOf,
  PROJECT_LIMIT_NAMES,
  type ProjectLimitName,
} from "../../core/limits/project-limits.ts";
import { withOperatorDatabase } from "./operator-database.ts";
import { newApiKey } from "../../runtime/secrets/api-key.ts";
import type { Clock, DatabaseClock } from "../../runtime/clock.ts";
import { encryptionKeys } from "../../runtime/settings/encryption-keys.ts";
import type { Log } from "../../runtime/process/log.ts";
import { createSecretBox, type SecretBox } from "../../runtime/secrets/secret-box.ts";
import { newSigningKeyPair, newSigningSecret } from "../../runtime/secrets/new-signing-secrets.ts";
import { wholeNumber } from "../../runtime/settings/setting-kind.ts";
import { StartRefusedError } from "../../runtime/process/fatal-errors.ts";
import { CliError } from "../frame/cli.ts";
import { textTable } from "../frame/output.ts";
import { createUuidSource } from "../../runtime/runtime.ts";
import {
  findProjectId,
  findProjectLimits,
  type ListedProject,
  listProjects,
  setProjectLimit,
} from "../../store/projects/administer-projects.ts";
import { FRAME_ANCESTORS_MAX, isFrameAncestor } from "../../core/frame-ancestor.ts";
import { changeProjectSettings } from "../../store/projects/manage-projects.ts";
import { apiKeyCreated, createApiKey, createFirstApiKey } from "../../store/projects/api-keys.ts";
import { audited, type AuditNote } from "../../store/projects/audit-log.ts";
import { ensureProject } from "../../store/projects/bootstrap-rows.ts";
import type { Database } from "../../store/db/database.ts";
import { setByDatabase } from "../../store/db/read-clock.ts";
import { ensureSigningSecret } from "../../store/projects/signing-secrets.ts";

const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
const FIRST_KEY = "made with the project";
const LATER_KEY = "made by the operator";

type ProjectCommand =
  | { readonly kind: "list" }
  | { readonly kind: "create"; readonly name: string }
  | { readonly kind: "key"; readonly name: string }
  | { readonly kind: "limits"; readonly name: string }
  /** Which pages may frame its console links. */
  | {
      readonly kind: "set-frames";
      readonly name: string;
      readonly origins: readonly string[];
    }
  | {
      readonly kind: "set-limit";
      readonly name: string;
      readonly limit: ProjectLimitName;
      /** Null for the environment's. */
      readonly value: number | null;
    };

/**
 * Parses the arguments after `project`; null when there is no such command.
 * @throws {CliError} for an argument that can't be meant
 */
export function readProjectCommand(args: readonly string[]): ProjectCommand | null {
  const [kind = "", name = "", ...rest] = args;
  if (kind === "list" && args.length === 1) return { kind };
  switch (kind) {
    case "create":
    case "key":
    case "limits":
      return rest.length === 0 ? { kind, name: projectName(name) } : null;
    case "allow":
      return readLimit(projectName(name), ["live_jobs", ...rest]);
    case "set-limit":
      return readLimit(projectName(name), rest);
    case "set-frames":
      return readFrames(projectName(name), rest);
    default:
      return null;
  }
}

function projectName(name: string): string {
  if (NAME.test(name)) return name;
  throw new CliError(`A project can't be called ${JSON.stringify(name)}.`, {
    hint: "A name has 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit.",
  });
}

function readLimit(
  name: string,
  [limitText, text, ...rest]: readonly string[],
): ProjectCommand | null {
  if (limitText === undefined || text === undefined || rest.length > 0) return null;
  const limit = PROJECT_LIMIT_NAMES.find((one) => one === limitText);
  if (limit === undefined) {
    throw new CliError(`${JSON.stringify(limitText)} is no limit.`, {
      hint: `The limits: ${PROJECT_LIMIT_NAMES.join(", ")}.`,
    });
  }
  if (text === "default") return { kind: "set-limit", name, limit, value: null };
  const kind = wholeNumber(0, limitMaxOf(limit));
  const reading = kind.read(text);
  if ("value" in reading) return { kind: "set-limit", name, limit, value: reading.value };
  throw new CliError(`${JSON.stringify(text)} ${reading.problem}.`, {
    hint: `Give ${kind.valid}, or default for the environment's.`,
  });
}

/** Origins, with commas between them; `none` for none. */
function readFrames(name: string, [text, ...rest]: readonly string[]): ProjectCommand | null {
  if (text === undefined || rest.length > 0) return null;
  const origins = text === "none" ? [] : text.split(",");
  const wrong = origins.find((origin) => !isFrameAncestor(origin));
  if (wrong === undefined && origins.length <= FRAME_ANCESTORS_MAX) {
    return { kind: "set-frames", name, origins };
  }
  throw new CliError(
    wrong === undefined ? "These are too many origins." : `${JSON.stringify(wrong)} is no origin.`,
    {
      hint: `Give up to ${FRAME_ANCESTORS_MAX} origins such as https://app.example.com between commas, or none.`,
    },
  );
}

/** The result of a command. */
interface ProjectAnswer {
  /** For a person. */
  readonly text: string;
  /** The same for a program. */
  readonly json: object;
}

/**
 * Carries out an operator's command on the database, whether the gateway runs or not. Returns what
 * to print; rejects with a message for people when it can't be done.
 */
export async function runProjectCommand(
  command: ProjectCommand,
  config: Config,
  ports: { readonly clock: DatabaseClock; readonly log: Log },
): Promise<ProjectAnswer> {
  const { log } = ports;
  return withOperatorDatabase(
    { config, log, applicationName: "ringback project" },
    async (database) => {
      await setByDatabase(ports.clock, database);
      switch (command.kind) {
        case "list":
          return list(database);
        case "create":
          return create(command.name, await encryptionKeys(config), { ...ports, database });
        case "key":
          return audit("key", { ...ports, database }, (administration) =>
            addKey(command.name, administration),
          );
        case "limits":
          return showLimits(command.name, config, database);
        case "set-limit":
          return audit("set-limit", { ...ports, database }, (administration) =>
            setLimit(command, administration),
          );
        case "set-frames":
          return audit("set-frames", { ...ports, database }, (administration) =>
            setFrames(command, administration),
          );
      }
    },
  );
}

async function list(database: Database): Promise<ProjectAnswer> {
  const projects = await listProjects(database);
  const heading = ["name", "id", "live jobs", "allowed", "created"];
  return {
    text: textTable([heading, ...projects.map((project) => listed(project))]),
    json: {
      projects: projects.map((project) => ({
        name: project.name,
        id: publicId("project", project.id),
        live_jobs: project.liveJobs,
        limits: project.limits,
        created_at: new Date(project.createdAtMs).toISOString(),
      })),
    },
  };
}

function listed(project: ListedProject): string[] {
  return [
    project.name,
    publicId("project", project.id),
    String(project.liveJobs),
    String(project.limits.live_jobs ?? "default"),
    new Date(project.createdAtMs).toISOString(),
  ];
}

interface Administration {
  /** Everything that is done on it is one transaction. */
  readonly database: Database;
  readonly clock: Clock;
  /** Adds an entry to the audit log. */
  readonly note: (change: AuditNote) => void;
}

/** Carries out a command that changes something, with the audit log's entries about it. */
function audit(
  kind: ProjectCommand["kind"],
  {
    database,
    clock,
    log,
  }: { readonly database: Database; readonly clock: Clock; readonly log: Log },
  work: (administration: Administration) => Promise<ProjectAnswer>,
): Promise<ProjectAnswer> {
  const newUuid = createUuidSource();
  const actor = { kind: "operator", command: `project ${kind}` } as const;
  const ports = { actor, newId: () => newUuid(clock.now(), 0), log };
  return audited(database, `project-${kind}`, ports, (within, note) =>
    work({ database: within, clock, note }),
  );
}

function create(
  name: string,
  keys: readonly Buffer[],
  ports: Parameters<typeof audit>[1],
): Promise<ProjectAnswer> {
  return audit("create", ports, (administration) =>
    createProject(name, createSecretBox(keys), administration),
  );
}

async function createProject(
  name: string,
  secretBox: SecretBox,
  { database, clock, note }: Administration,
): Promise<ProjectAnswer> {
  const newId = createUuidSource();
  const nowMs = clock.now();
  const projectId = await ensureProject(database, { id: newId(nowMs, 0), name });
  const { secret, publicKey } = newSigningKeyPair();
  const symmetric = newSigningSecret();
  const secrets = [
    { scheme: "v1", plain: symmetric, publicKey: null },
    { scheme: "v1a", plain: secret, publicKey },
  ] as const;
  for (const { plain, ...one } of secrets) {
    const id = newId(nowMs, 0);
    const sealed = secretBox.seal(plain, { column: "signing_secrets.secret", id });
    const wanted = { id, projectId, nowMs, isWanted: () => true, sealed, ...one };
    await ensureSigningSecret(database, wanted);
  }
  const key = newApiKey();
  const isNew = await createFirstApiKey(database, {
    id: newId(nowMs, 0),
    projectId,
    name: FIRST_KEY,
    key,
    scopes: ["admin"],
    nowMs,
    expiresAtMs: null,
  });
  if (!isNew) {
    throw new StartRefusedError(
      `there is a project ${name} already. Take another name, or make a key for it: project key ${name}`,
    );
  }
  const subject = publicId("project", projectId);
  note({ projectId, action: "project.created", subject, details: { name } });
  const text = [
    `Project ${name} is made: ${subject}`,
    `API key with all rights on it, shown this once: ${key}`,
  ].join("\n");
  return { text, json: { name, id: subject, api_key: key } };
}

async function addKey(
  name: string,
  { database, clock, note }: Administration,
): Promise<ProjectAnswer> {
  const projectId = await findProjectId(database, name);
  if (projectId === null) throw noProject(name);
  const key = newApiKey();
  const nowMs = clock.now();
  const id = createUuidSource()(nowMs, 0);
  const scopes = ["admin"] as const;
  const created = { id, projectId, name: LATER_KEY, key, scopes, nowMs, expiresAtMs: null };
  await createApiKey(database, created);
  note(apiKeyCreated(created));
  const text = `API key with all rights on ${name}, shown this once: ${key}`;
  return { text, json: { name, id: publicId("apiKey", id), api_key: key } };
}

async function showLimits(
  name: string,
  config: Config,
  database: Database,
): Promise<ProjectAnswer> {
  const limits = await findProjectLimits(database, name);
  if (limits === null) throw noProject(name);
  const { alone, amongOthers } = config.projectLimits;
  const byDefault = (await listProjects(database)).length > 1 ? amongOthers : alone;
  const found = PROJECT_LIMIT_NAMES.map((limit) => {
    const own = limits[limit];
    const { kind, unit } = limitOf(limit);
    return {
      limit,
      allowed: own ?? byDefault[limit],
      unit: kind === "rate" ? `${unit} per second` : unit,
      set_by: own === undefined ? environmentNameOf(limit) : "this project's own",
    };
  });
  const rows = found.map((of) => [of.limit, String(of.allowed), of.unit, of.set_by]);
  const text = textTable([["limit", "allowed", "unit", "set by"], ...rows]);
  return { text, json: { name, limits: found } };
}

async function setLimit(
  { name, limit, value }: Extract<ProjectCommand, { kind: "set-limit" }>,
  { database, note }: Administration,
): Promise<ProjectAnswer> {
  const projectId = await findProjectId(database, name);
  if (projectId === null) throw noProject(name);
  await setProjectLimit(database, { project: name, name: limit, value });
  const subject = publicId("project", projectId);
  note({ projectId, action: "project.limit_changed", subject, details: { limit, value } });
  const to = value === null ? `what ${environmentNameOf(limit)} says` : String(value);
  return { text: `The limit ${limit} of project ${name} is ${to}.`, json: { name, limit, value } };
}

async function setFrames(
  { name, origins }: Extract<ProjectCommand, { kind: "set-frames" }>,
  { database, note }: Administration,
): Promise<ProjectAnswer> {
  const projectId = await findProjectId(database, name);
  if (projectId === null) throw noProject(name);
  const frame_ancestors = origins.length === 0 ? null : origins;
  await changeProjectSettings(database, projectId, { frame_ancestors });
  const subject = publicId("project", projectId);
  const details = { fields: ["frame_ancestors"] };
  note({ projectId, action: "project.changed", subject, details });
  const text =
    origins.length === 0
      ? `No page may frame console links of project ${name}.`
      : `Pages of ${origins.join(", ")} may frame console links of project ${name}.`;
  return { text, json: { name, frame_ancestors } };
}

function noProject(name: string): StartRefusedError {
  return new StartRefusedError(`there is no project ${name}; project list shows those there are`);
}
