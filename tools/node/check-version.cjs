/// <reference types="node" />
// Read before anything else, by whatever Node there is: says which one is needed, where an old one
// would only say that it does not know the ending .ts.
if (!process.features.typescript) {
  process.stderr.write(
    `Ringback needs Node 24 or later, and this is ${process.version} (${process.execPath}).\n` +
      "Install a later one, or run npm ci without --omit=dev: that brings one along.\n",
  );
  process.exit(1);
}
