import type { Cli } from "./cli.ts";

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
