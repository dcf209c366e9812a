import { type Cli, InterruptedError } from "./cli.ts";

const CTRL_C = "\u0003";
/** A line's end, or Ctrl-D. */
const ENDS: readonly string[] = ["\r", "\n", "\u0004"];
const BACKSPACES: readonly string[] = ["\u0008", "\u007f"];

/**
 * Asks for a line on a terminal that does not show what is typed.
 * @throws {InterruptedError} at Ctrl-C, or the signal's reason
 */
export async function readHidden(
  { stdin, stderr }: Pick<Cli, "stdin" | "stderr">,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  // Before the question, so that what is typed as soon as it shows is hidden too.
  stdin.setRawMode?.(true);
  stderr.write(question);
  let line = "";
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      signal.throwIfAborted();
      for (const character of String(chunk)) {
        if (ENDS.includes(character)) return line;
        if (character === CTRL_C) throw new InterruptedError();
        line = BACKSPACES.includes(character) ? line.slice(0, -1) : line + character;
      }
    }
    return line;
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write("\n");
  }
}

/**
 * Calls a function for each key of a terminal that has one, without waiting for a line's end.
 * On anything but a terminal it reads nothing.
 */
export function readKeys(
  { stdin }: Pick<Cli, "stdin">,
  keys: Readonly<Record<string, () => void>>,
): { readonly isOn: boolean; stop(): void } {
  if (stdin.isTTY !== true) return { isOn: false, stop: () => undefined };
  const onData = (chunk: Buffer | string): void => {
    for (const key of String(chunk)) if (Object.hasOwn(keys, key)) keys[key]?.();
  };
  stdin.setRawMode?.(true);
  stdin.on("data", onData);
  return {
    isOn: true,
    stop() {
      stdin.off("data", onData);
      stdin.setRawMode?.(false);
      stdin.pause();
    },
  };
}
