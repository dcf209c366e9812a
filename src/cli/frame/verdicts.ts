import { type Output, shown } from "./output.ts";

export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** The result of one check. */
export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** The remedy; null when none is needed. */
  readonly action: string | null;
}

const COLORS = { ok: "green", warning: "yellow", failed: "red", skipped: "dim" } as const;

export function ok(name: string, detail: string): Check {
  return { name, verdict: "ok", detail, action: null };
}

export function skipped(name: string, detail: string, action: string | null = null): Check {
  return { name, verdict: "skipped", detail, action };
}

export function warning(name: string, detail: string, action: string): Check {
  return { name, verdict: "warning", detail, action };
}

export function failed(name: string, detail: string, action: string): Check {
  return { name, verdict: "failed", detail, action };
}

export function printCheck({ name, verdict, detail, action }: Check, out: Output): void {
  if (out.isJson) return out.printJson({ name, verdict, detail, action });
  const lines = shown(detail).split("\n");
  const label = out.paint(COLORS[verdict], verdict.padEnd(7));
  out.print(`${label}  ${name.padEnd(11)}  ${lines.join("\n".padEnd(23))}`);
  if (action !== null) out.print(`${" ".repeat(22)}→ ${shown(action)}`);
}
