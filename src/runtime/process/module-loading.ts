import module from "node:module";
import { fileURLToPath } from "node:url";

/** The program's own modules: `src`, or `dist` in the package. */
const OWN = new URL("../../", import.meta.url).href;
/** Its `.js` files are all ES modules. */
const DRIZZLE = "/node_modules/drizzle-orm/";

/**
 * Resolves the imports that need no look at the disk: those between the program's own modules, those
 * within drizzle-orm, and those of a package that was resolved before. Node would look for each file
 * and its package.json, and parse all `exports` of a package for every import that leads into it. Those
 * of drizzle-orm are 170 KB, and a start has more than 200 such imports. That took two fifths of a start's CPU.
 */
export function resolveImportsOnce(): void {
  const packages = new Map<string, module.ResolveFnOutput>();
  // A Node before 22 has no such function.
  module.registerHooks?.({
    resolve(specifier, context, next) {
      const { parentURL, conditions } = context;
      if (parentURL === undefined || !conditions.includes("import")) return next(specifier);
      const isOwn = parentURL.startsWith(OWN);
      if (specifier.startsWith(".")) {
        const format = isOwn || parentURL.includes(DRIZZLE) ? formatOf(specifier) : null;
        if (format === null) return next(specifier);
        return { url: new URL(specifier, parentURL).href, format, shortCircuit: true };
      }
      if (!isOwn) return next(specifier);
      const known = packages.get(specifier) ?? { ...next(specifier), shortCircuit: true };
      packages.set(specifier, known);
      return known;
    },
  });
}

function formatOf(specifier: string): string | null {
  if (specifier.endsWith(".ts")) return "module-typescript";
  return specifier.endsWith(".js") ? "module" : null;
}

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

const IS_BUILT = import.meta.url.endsWith(".js");

/**
 * The URL of a module that is named by its source. The compiler rewrites the extensions of imports
 * but not those in URLs; once built for the package, the module ends in `.js`.
 */
export function builtModule(source: URL): URL {
  return IS_BUILT ? new URL(source.href.replace(/\.ts$/, ".js")) : source;
}
