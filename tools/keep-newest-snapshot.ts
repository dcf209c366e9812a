/* Removes the snapshots of older migrations: drizzle-kit compares the schema with the newest alone. */
import { readdir, rm } from "node:fs/promises";

const META = new URL("../drizzle/meta/", import.meta.url);

const snapshots = (await readdir(META)).filter((name) => name.endsWith("_snapshot.json"));
for (const older of snapshots.toSorted().slice(0, -1)) await rm(new URL(older, META));
