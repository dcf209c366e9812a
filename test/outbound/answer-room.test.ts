import { describe, expect, test } from "vitest";
import type {
  ResponseBudget,
  OutboundRequest,
} from "../../src/outbound/exchange/request-outcome.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { get, openClient, serveHttp } from "./local-servers.ts";

const SIZE = 1_000_000;

/** A room in which everybody waits until the test lets them proceed. */
function openRoom() {
  const entered: { request: OutboundRequest; bytes: number; proceed: () => void }[] = [];
  const arrival = Promise.withResolvers<void>();
  const room: ResponseBudget = {
    bytesFree: 1000,
    enter(request, bytes, proceed) {
      entered.push({ request, bytes, proceed });
      arrival.resolve();
    },
  };
  return { room, entered, arrived: arrival.promise };
}

describe("a large answer", () => {
  test("a large answer is read on only when there is room for its declared size", async () => {
    const server = await serveHttp((_, response) => response.end("x".repeat(SIZE)));
    const { room, entered, arrived } = openRoom();
    const request = get(server.origin, { room });
    const outcome = openClient().send(request);
    await arrived;
    expect(entered).toMatchObject([{ request, bytes: SIZE }]);
    entered[0]?.proceed();
    expect(await outcome).toMatchObject({ kind: "answered", status: 200 });
    expect(entered).toHaveLength(1);
  });

  test("a large answer without a declared size needs room for its largest size", async () => {
    const server = await serveHttp((_, response) => {
      response.write("x".repeat(SIZE / 2));
      response.end("x".repeat(SIZE / 2));
    });
    const { room, entered, arrived } = openRoom();
    const outcome = openClient().send(get(server.origin, { room, responseBytesMax: 2 * SIZE }));
    await arrived;
    expect(entered[0]?.bytes).toBe(2 * SIZE);
    entered[0]?.proceed();
    const answered = await outcome;
    expect(answered.kind === "answered" && answered.body.length).toBe(SIZE);
  });

  test("a large answer that gets no room before its deadline fails like any late one", async () => {
    const server = await serveHttp((_, response) => response.end("x".repeat(SIZE)));
    const clock = new FakeClock();
    const { room, arrived } = openRoom();
    const client = openClient({ clock });
    const late = client.send(get(server.origin, { room, timeoutMs: 150 }));
    await arrived;
    clock.advance(300);
    expect(await late).toMatchObject({ failure: { code: "response_timeout" } });
    expect(await client.send(get(server.origin))).toMatchObject({ kind: "answered" });
  });

  test("an answer that is admitted at once is read without a stop, and a small one needs no admission", async () => {
    const server = await serveHttp(({ url }, response) =>
      response.end("x".repeat(url === "/small" ? 1000 : SIZE)),
    );
    let asked = 0;
    const room: ResponseBudget = {
      bytesFree: 1000,
      enter(_request, _bytes, proceed) {
        asked += 1;
        proceed();
      },
    };
    const client = openClient();
    await client.send(get(server.origin, { room, path: "/small" }));
    expect(asked).toBe(0);
    const answered = await client.send(get(server.origin, { room }));
    expect(answered.kind === "answered" && answered.body.length).toBe(SIZE);
    expect(asked).toBe(1);
  });
});
