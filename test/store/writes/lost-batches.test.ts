import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { openDatabase } from "../../../src/store/db/database.ts";
import { createTestDatabase } from "../../support/database.ts";
import { quietLog } from "../../support/quiet-log.ts";
import { acceptRow } from "../../support/rows.ts";
import { openWriters } from "../../support/writers.ts";

const MESSAGE_BYTES_MAX = 16_000;

/** A network that resets a connection when its client sends more at once. */
async function startNarrowNetwork(target: { host: string; port: number }): Promise<Server> {
  const network = createServer((client) => {
    const server = connect(target);
    const end = (): void => {
      client.resetAndDestroy();
      server.destroy();
    };
    let unanswered = 0;
    client.on("data", (chunk) => {
      unanswered += chunk.length;
      if (unanswered > MESSAGE_BYTES_MAX) end();
      else server.write(chunk);
    });
    server.on("data", (chunk) => {
      unanswered = 0;
      client.write(chunk);
    });
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
  });
  await once(network.listen(0, "127.0.0.1"), "listening");
  return network;
}

test("subscriptions that together are more than the network carries are accepted in smaller batches", async () => {
  const server = await createTestDatabase();
  const url = new URL(server.url);
  const network = await startNarrowNetwork({ host: "127.0.0.1", port: Number(url.port) });
  url.port = String((network.address() as AddressInfo).port);
  const database = await openDatabase({
    url: url.href,
    connectionsMax: 4,
    statementTimeoutMs: 10_000,
    applicationName: "narrow",
    log: quietLog,
  });
  const writers = openWriters(database);
  const rows = Array.from({ length: 48 }, (_, index) =>
    acceptRow(`job-${index}-${"x".repeat(400)}`),
  );
  const accepted = await Promise.all(rows.map((row) => writers.accept(row)));
  expect(accepted.map((row) => row.kind)).toEqual(rows.map(() => "accepted"));

  await writers.stop();
  await database.close(1_000);
  network.close();
  await server.drop();
});
