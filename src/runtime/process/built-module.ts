const IS_BUILT = import.meta.url.endsWith(".js");

/**
 * The URL of a module that is named by its source. The compiler rewrites the extensions of imports
 * but not those in URLs; once built for the package, the module ends in `.js`.
 */
export function builtModule(source: URL): URL {
  return IS_BUILT ? new URL(source.href.replace(/\.ts$/, ".js")) : source;
}
