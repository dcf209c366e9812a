#!/usr/bin/env node
/*
 * The command `ringback` of the published package. It imports nothing before it knows the Node that
 * runs it: an older one would fail at something that it does not know, and not say why.
 */
const NODE_MAJOR_MIN = 24;

const { node } = process.versions;
if (Number.parseInt(node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `The gateway needs Node ${NODE_MAJOR_MIN} or later, and this is ${node} (${process.execPath}).\n` +
      "Install a later one, or let npm bring one along:\n\n" +
      `  npx --package=node@${NODE_MAJOR_MIN} --package=ringback ringback ${process.argv.slice(2).join(" ")}\n\n` +
      "ringback/client, ringback/receiver and ringback/testing run on this one.\n",
  );
  process.exitCode = 1;
} else {
  await import("./main.ts");
}
