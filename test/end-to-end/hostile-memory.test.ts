import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { connect, openProcessScene, subscribe } from "../support/process-scene.ts";
import { RawServer } from "../support/raw-server.ts";

const MIB = 2 ** 20;
/** Together several times the memory that the process may use. */
const ANSWERS = 40;
const JOBS = 40;
/** Code that was compiled on the way, and what the heap keeps. */
const KEPT_BYTES_MAX = 128 * MIB;
/** As in the image: otherwise the allocator keeps large pieces of memory that were freed. */
const ALLOCATOR = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};
const PATIENCE = { timeout: 80_000, interval: 250 };
/** A process gives memory back when it has nothing to do, so it is asked seldom. */
const AT_REST = { timeout: 100_000, interval: 5_000 };

const BRACKETS = Buffer.alloc(9 * MIB, "[");
const ELEMENTS = Buffer.from(`[${"{},".repeat(3 * MIB)}1]`);
const BOMB = gzipSync(Buffer.alloc(64 * MIB, "["));
const COMPLETED =
  '{"job_id":"any","status":"completed","created_at":"2026-01-01T00:00:00.000Z","result":1}';

/** Writes until the other side hangs up. */
function endlessly(response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1024, '{"a":');
  const write = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", write);
  write();
}

const HOSTILE: readonly ((response: ServerResponse) => void)[] = [
  (response) => void response.end(BRACKETS),
  (response) => void response.end(ELEMENTS),
  (response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(BOMB),
  endlessly,
];

test("after many hostile answers a gateway's memory comes back, and every job is heard", async (context) => {
  const scene = await openProcessScene(context);
  let answered = 0;
  let isHostile = true;
  const upstream = new RawServer((_, response) => {
    response.setHeader("content-type", "application/json");
    if (isHostile) HOSTILE[answered % HOSTILE.length]?.(response);
    else response.end(COMPLETED);
    answered += 1;
  });
  await upstream.open();
  context.onTestFinished(() => upstream.close());
  const gateway = await scene.start({ RINGBACK_MEMORY_MIB: "1024", ...ALLOCATOR });
  const memory = () => gateway.metric("process_resident_memory_bytes");
  await connect(gateway, scene.upstream, { base_url: upstream.origin });
  const before = await memory();

  const jobs = Array.from({ length: JOBS }, (_, index) => `hostile-${index}`);
  const subscriptions = await Promise.all(
    jobs.map((job) => subscribe(gateway, scene.receiver, job)),
  );
  await vi.waitFor(() => expect(answered).toBeGreaterThanOrEqual(ANSWERS), PATIENCE);
  isHostile = false;
  // Their own next polls are far away after so many failures.
  for (const { id } of subscriptions) await gateway.api("POST", `/v1/subscriptions/${id}/poll`);
  await Promise.all(jobs.map((job) => scene.receiver.takeOne(`/${job}`)));
  await vi.waitFor(
    async () => expect(await memory()).toBeLessThan(before + KEPT_BYTES_MAX),
    AT_REST,
  );
}, 300_000);
