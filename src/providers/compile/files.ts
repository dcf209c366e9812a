import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { locateJsonError } from "../../core/json/json-syntax.ts";
import { parseDefinition } from "../definition/text.ts";
import { unexpectedHosts, type UrlPolicy } from "./hosts.ts";
import { isObject } from "../language/json-pointer.ts";
import type { Provider } from "./provider.ts";
import { type DefinitionProblem, readDefinition } from "./read-definition.ts";

/** A definition in a file of its own. */
export interface FileDefinition {
  readonly file: string;
  readonly provider: Provider;
  /** JSON as its author wrote it. */
  readonly written: object;
}

/** An unusable place in a file, and what would be valid there. */
export type FileProblem = DefinitionProblem & { readonly file: string };

/** A page or two of JSON; every node holds all definitions in memory. */
export const DEFINITION_BYTES_MAX = 64 * 1024;

/** Reads one definition from each `.json` file of the folder. Files in subfolders are ignored. */
export async function readDefinitionFiles(
  folder: string,
  judge: UrlPolicy,
): Promise<{
  readonly definitions: readonly FileDefinition[];
  /** All problems, in the order of the files. */
  readonly problems: readonly FileProblem[];
}> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    return { definitions: [], problems: [cantRead(folder, error)] };
  }
  const definitions: FileDefinition[] = [];
  const problems: FileProblem[] = [];
  for (const name of names.filter(isDefinitionFile).sort()) {
    const reading = await readFileDefinition(join(folder, name), name, judge);
    const other = definitions.find(({ provider }) => provider.name === reading.name);
    if (other !== undefined) {
      const detail = `${other.file} defines ${reading.name} already; take another name.`;
      problems.push({ file: name, pointer: "/name", detail });
    }
    problems.push(...reading.problems);
    if (reading.definition !== null) definitions.push(reading.definition);
  }
  return { definitions, problems };
}

/** Hidden files belong to editors and mounts. */
function isDefinitionFile(name: string): boolean {
  return name.endsWith(".json") && !name.startsWith(".");
}

interface FileReading {
  readonly name: string | null;
  readonly definition: FileDefinition | null;
  readonly problems: readonly FileProblem[];
}

async function readFileDefinition(
  path: string,
  file: string,
  judge: UrlPolicy,
): Promise<FileReading> {
  const refused = (problems: readonly Omit<FileProblem, "file">[]): FileReading => ({
    name: null,
    definition: null,
    problems: problems.map((problem) => ({ file, ...problem })),
  });
  const read = await readJsonFile(path);
  if (!read.ok) return refused([{ pointer: "", detail: read.problem }]);
  const json = parseDefinition(read.text);
  const reading = readDefinition(json);
  if (!reading.ok) return refused(reading.problems);
  const { provider } = reading;
  const strays = unexpectedHosts(provider, judge);
  if (strays.length > 0) return refused(strays);
  const written = isObject(json) ? json : {};
  return { name: provider.name, definition: { file, provider, written }, problems: [] };
}

type JsonFileReading =
  | { readonly ok: true; readonly json: unknown; readonly text: string }
  | { readonly ok: false; readonly problem: string };

/** Reads a JSON file that a person wrote. */
export async function readJsonFile(
  path: string,
  bytesMax = DEFINITION_BYTES_MAX,
): Promise<JsonFileReading> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > bytesMax) return { ok: false, problem: `It is larger than ${bytesMax / 1024} KiB.` };
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    return { ok: false, problem: whyUnreadable(error) };
  }
  try {
    return { ok: true, json: JSON.parse(text), text };
  } catch {
    const error = locateJsonError(text);
    const where = error === null ? "" : ` at line ${error.line}, column ${error.column}`;
    const expected = error === null ? "" : `: expected ${error.expected}`;
    return { ok: false, problem: `It is not JSON${where}${expected}.` };
  }
}

function cantRead(folder: string, error: unknown): FileProblem {
  return { file: folder, pointer: "", detail: whyUnreadable(error) };
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
      return "There is no such file or folder.";
    case "ENOTDIR":
      return "It is not a folder.";
    case "EISDIR":
      return "It is a folder, not a file.";
    case "EACCES":
      return "This process may not read it.";
    case "ERR_ENCODING_INVALID_ENCODED_DATA":
      return "It is not UTF-8.";
    default:
      return `It can't be read (${code || String(error)}).`;
  }
}
