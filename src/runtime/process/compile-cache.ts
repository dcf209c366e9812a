import module from "node:module";
import { fileURLToPath } from "node:url";

/** Beside the packages, which only those may write who may change the program itself. */
const FOLDER = fileURLToPath(
  new URL("../../../node_modules/.cache/ringback-compiled", import.meta.url),
);

/**
 * Has Node keep the modules that are loaded from now on as it compiles them, without their types, so that
 * the next start need not do that again. Where the folder can't be written, or by a Node that can't do
 * this, nothing is kept.
 */
export function keepCompiled(folder = FOLDER): void {
  // A Node before 22 has no such functions.
  module.enableCompileCache?.(folder);
}

/**
 * Writes down what is to be kept, which Node does by itself only when the process ends in order. Blocks
 * for some hundred milliseconds the first time, and for a few after that.
 */
export function saveCompiled(): void {
  module.flushCompileCache?.();
}
