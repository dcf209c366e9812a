import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";
import type { Clock } from "../../runtime/clock.ts";

/** How names are completed, from /etc/resolv.conf. */
interface SearchRules {
  /** Domains to append, in order. */
  readonly search: readonly string[];
  /** A name with fewer dots is completed before it is looked up as it is. */
  readonly ndots: number;
}

const HOSTS_PATH =
  process.platform === "win32" ? String.raw`C:\Windows\System32\drivers\etc\hosts` : "/etc/hosts";
const RESOLV_CONF_PATH = "/etc/resolv.conf";
/** How soon a change is seen. */
const CHECKED_EVERY_MS = 1_000;
const SEARCH_MAX = 6;
const NDOTS_MAX = 15;
const NO_SEARCH: SearchRules = { search: [], ndots: 1 };

/** The files that configure the machine's own resolver, read again when they change. */
export class ResolverFiles {
  readonly #hosts: WatchedFile<ReadonlyMap<string, readonly string[]>>;
  readonly #rules: WatchedFile<SearchRules>;

  constructor({
    clock,
    hostsPath,
    resolvConfPath,
  }: {
    readonly clock: Clock;
    readonly hostsPath?: string;
    readonly resolvConfPath?: string;
  }) {
    this.#hosts = new WatchedFile(clock, hostsPath ?? HOSTS_PATH, readHosts, new Map());
    this.#rules = new WatchedFile(clock, resolvConfPath ?? RESOLV_CONF_PATH, readRules, NO_SEARCH);
  }

  /** Ensures that the known content is at most a second old. */
  async refresh(): Promise<void> {
    await Promise.all([this.#hosts.refresh(), this.#rules.refresh()]);
  }

  /** The hosts file's addresses at its last reading, or null. */
  addressesOf(name: string): readonly string[] | null {
    return this.#hosts.content.get(name.toLowerCase()) ?? null;
  }

  get rules(): SearchRules {
    return this.#rules.content;
  }
}

/** The names to look up, in order, for a name that may lack its domain. */
export function candidatesOf(name: string, { search, ndots }: SearchRules): readonly string[] {
  const completed = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...completed] : [...completed, name];
}

class WatchedFile<Content> {
  content: Content;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #read: (text: string) => Content;
  readonly #whenMissing: Content;
  #checkedAtMs = -Infinity;
  #version = "";
  #reading: Promise<void> | null = null;

  constructor(clock: Clock, path: string, read: (text: string) => Content, whenMissing: Content) {
    this.#clock = clock;
    this.#path = path;
    this.#read = read;
    this.#whenMissing = whenMissing;
    this.content = whenMissing;
  }

  async refresh(): Promise<void> {
    const nowMs = this.#clock.monotonic();
    if (this.#reading === null && nowMs - this.#checkedAtMs < CHECKED_EVERY_MS) return;
    this.#reading ??= this.#look().finally(() => {
      this.#checkedAtMs = this.#clock.monotonic();
      this.#reading = null;
    });
    await this.#reading;
  }

  async #look(): Promise<void> {
    try {
      const { mtimeMs, ino, size } = await stat(this.#path);
      const version = `${mtimeMs} ${ino} ${size}`;
      if (version === this.#version) return;
      this.content = this.#read(await readFile(this.#path, "utf8"));
      this.#version = version;
    } catch {
      // It may be absent or unreadable.
      this.content = this.#whenMissing;
      this.#version = "";
    }
  }
}

function readHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, readonly string[]>();
  for (const [address = "", ...names] of linesOf(text)) {
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, "");
      const known = hosts.get(key) ?? [];
      if (!known.includes(address)) hosts.set(key, [...known, address]);
    }
  }
  return hosts;
}

function readRules(text: string): SearchRules {
  let { search, ndots } = NO_SEARCH;
  for (const [keyword, ...values] of linesOf(text)) {
    if (keyword === "search" || keyword === "domain") search = values;
    if (keyword !== "options") continue;
    const [, digits] =
      /^ndots:(\d{1,2})$/.exec(values.find((one) => one.startsWith("ndots:")) ?? "") ?? [];
    if (digits !== undefined) ndots = Math.min(Number(digits), NDOTS_MAX);
  }
  const domains = search
    .map((domain) => domain.replace(/\.$/, ""))
    .filter((domain) => domain !== "");
  return { search: domains.slice(0, SEARCH_MAX), ndots };
}

/** The words of each line, without comments. */
function linesOf(text: string): string[][] {
  return text.split("\n").flatMap((line) => {
    const words = line.replace(/[#;].*$/, "").match(/\S+/g);
    return words === null ? [] : [[...words]];
  });
}
