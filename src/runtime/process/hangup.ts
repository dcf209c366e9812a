import { readFileSync } from "node:fs";

/** SIGHUP is the first bit of the masks in /proc. */
const HANGUP_BIT = 1n;

/**
 * The signals that ask for an orderly stop. A hangup, which a terminal sends when it closes, is one of them, unless
 * the process was started to outlive its terminal (`nohup`): a listener would undo that. Node can't tell, but Linux can;
 * elsewhere a hangup keeps its default.
 */
export function stopSignals(): readonly NodeJS.Signals[] {
  return canBeHungUp(ownStatus()) ? ["SIGTERM", "SIGINT", "SIGHUP"] : ["SIGTERM", "SIGINT"];
}

/** @param status the text of `/proc/self/status`; empty where there is none */
export function canBeHungUp(status: string): boolean {
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return ignored !== undefined && (BigInt(`0x${ignored}`) & HANGUP_BIT) === 0n;
}

function ownStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}
