#!/usr/bin/env node
/*
 * The command `ringback` of the published package. It imports nothing before it knows the Node that
 * runs it: an older one would fail at something that it does not know, and not say why. Commands that
 * run the gateway's own code need a later Node, which they check themselves.
 */
const NODE_MAJOR_MIN = 20;

const { node } = process.versions;
if (Number.parseInt(node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `ringback needs Node ${NODE_MAJOR_MIN} or later, and this is ${node} (${process.execPath}).\n`,
  );
  process.exitCode = 1;
} else {
  await import("./main.ts");
}
