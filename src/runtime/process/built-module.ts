const IS_BUILT = import.meta.url.endsWith(".js");

/**
 * The address of a module that is named by its source. The compiler rewrites the endings of imports,
 * and leaves those in URLs alone: as it is built for the package, the module ends in `.js`.
 */
export function builtModule(source: URL): URL {
  return IS_BUILT ? new URL(source.href.replace(/\.ts$/, ".js")) : source;
}
