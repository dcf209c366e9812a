import { setTimeout as wait } from "node:timers/promises";
import { serveCommands } from "./worker-process.ts";

/** People who look at the console: what their browsers send while they do nothing. */

/** As the console's script reads a page again. */
const READ_EVERY_MS = 3000;

interface Viewer {
  /** The page's URL. */
  readonly url: string;
  readonly cookie: string;
}

interface Viewers {
  readonly url: string;
  readonly apiKey: string;
  /** Below the console, one for each viewer. */
  readonly pages: readonly string[];
}

/** The viewers' requests since they opened their pages. */
interface Viewed {
  readonly refreshes: number;
  /** Refreshes that were answered without a page, since nothing had changed. */
  readonly unchanged: number;
  readonly kibibytes: number;
}

const commands = { come, leave, readEach };
export type ConsoleViewersCommands = typeof commands;

let leaving = new AbortController();
let looking: Promise<unknown> = Promise.resolve();
let viewed = { refreshes: 0, unchanged: 0, bytes: 0 };

serveCommands(commands);

/** Each signs in, opens a page and goes on looking at it. */
async function come({ url, apiKey, pages }: Viewers): Promise<void> {
  leaving = new AbortController();
  viewed = { refreshes: 0, unchanged: 0, bytes: 0 };
  const { signal } = leaving;
  const opened: { viewer: Viewer; seen: string }[] = [];
  for (const page of pages) {
    const viewer = { url: `${url}/console/${page}`, cookie: await signIn(url, apiKey) };
    opened.push({ viewer, seen: (await read(viewer, null)) ?? "" });
  }
  looking = Promise.all(
    opened.map(async ({ viewer, seen }, at) => {
      // People come one after another.
      await restFor((READ_EVERY_MS * at) / pages.length, signal);
      let newest = seen;
      while (!signal.aborted) {
        const beganAt = performance.now();
        const changed = await read(viewer, newest);
        viewed.refreshes += 1;
        if (changed === null) viewed.unchanged += 1;
        newest = changed ?? newest;
        await restFor(READ_EVERY_MS - (performance.now() - beganAt), signal);
      }
    }),
  );
  looking.catch(() => {});
}

/**
 * Opens the pages again and again, one after another.
 * @returns how many were opened
 */
async function readEach({
  url,
  apiKey,
  pages,
  times,
}: Viewers & { readonly times: number }): Promise<number> {
  const cookie = await signIn(url, apiKey);
  for (let time = 0; time < times; time += 1) {
    for (const page of pages) await read({ url: `${url}/console/${page}`, cookie }, null);
  }
  return pages.length * times;
}

async function leave(): Promise<Viewed> {
  leaving.abort();
  await looking;
  const { bytes, ...counts } = viewed;
  return { ...counts, kibibytes: bytes / 1024 };
}

/** @returns the cookie of the session */
async function signIn(url: string, apiKey: string): Promise<string> {
  const response = await fetch(`${url}/console/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ key: apiKey, next: "" }),
  });
  const [cookie = ""] = response.headers.getSetCookie();
  if (response.status !== 303) throw new Error(`Sign-in answered ${response.status}.`);
  return cookie.slice(0, cookie.indexOf(";"));
}

/**
 * @param seen the version that the viewer has; null to open the page
 * @returns the version of what came; null when nothing has changed
 */
async function read({ url, cookie }: Viewer, seen: string | null): Promise<string | null> {
  const again = seen === null ? {} : { "hx-request": "true", "console-seen": seen };
  const response = await fetch(url, {
    redirect: "manual",
    headers: { cookie, "sec-fetch-site": "same-origin", ...again },
  });
  const text = await response.text();
  viewed.bytes += text.length;
  if (response.status === 204) return null;
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`);
  return /data-seen="(\w+)"/.exec(text)?.[1] ?? "";
}

async function restFor(ms: number, signal: AbortSignal): Promise<void> {
  await wait(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
