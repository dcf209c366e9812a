import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { httpAnswer, type SocketAnswer, startSocketPoller } from "./socket-harness.ts";

const RUNNING = httpAnswer('{"status":"running"}');
const DONE = httpAnswer('{"status":"done","output":1}');

/** Small and quick enough for a test to reach. */
const LIMITS = {
  answer_bytes_max: 256 * 1024,
  running_answer_bytes_max: 64 * 1024,
  request_timeout_s: 0.4,
};

/** Writes again and again until the other side hangs up. */
function endlessly(socket: Socket, head: string, piece: string): void {
  socket.write(head);
  const timer = setInterval(() => socket.write(piece), 5);
  socket.on("close", () => clearInterval(timer));
}

const CHUNKED =
  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNK = `4000\r\n${"[".repeat(0x4000)}\r\n`;
const DEEP = 1_000_000;
const deepArrays = "[".repeat(DEEP) + "]".repeat(DEEP);
const deepObjects = `${'{"a":'.repeat(DEEP)}1${"}".repeat(DEEP)}`;

const HOSTILE: [name: string, answer: SocketAnswer, lastError: RegExp, limits?: object][] = [
  [
    "a body that says it is too large",
    httpAnswer("", 200, { "content-length": "999999999" }),
    /larger than 262144 bytes \(body_too_large\)/,
  ],
  [
    "an endless body",
    (socket) => endlessly(socket, CHUNKED, CHUNK),
    /larger than 262144 bytes \(body_too_large\)/,
  ],
  [
    "a body that drips",
    (socket) => endlessly(socket, CHUNKED, "1\r\n[\r\n"),
    /within 400 ms \(response_timeout\)/,
  ],
  [
    "a body that stops half-way",
    httpAnswer('{"status":', 200, { "content-length": "100" }),
    /within 400 ms \(response_timeout\)/,
  ],
  ["no answer at all", () => undefined, /within 400 ms \(response_timeout\)/],
  [
    "endless announcements of an answer",
    (socket) => endlessly(socket, "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    /\(response_timeout\)/,
  ],
  [
    "headers that drip",
    (socket) => endlessly(socket, "HTTP/1.1 200 OK\r\n", "x-a: b\r\n"),
    /\((?:response_timeout|headers_too_large)\)/,
  ],
  [
    "headers without end",
    (socket) => endlessly(socket, "HTTP/1.1 200 OK\r\n", `x-a: ${"b".repeat(8000)}\r\n`),
    /\(headers_too_large\)/,
  ],
  [
    "one header that is too long",
    httpAnswer("{}", 200, { "x-long": "y".repeat(100_000) }),
    /\(headers_too_large\)/,
  ],
  [
    "a connection cut in the middle of the body",
    (socket) =>
      socket.write(httpAnswer("{", 200, { "content-length": "9" }), () => socket.resetAndDestroy()),
    /\(connection_reset\)/,
  ],
  ["a connection cut at once", (socket) => socket.resetAndDestroy(), /\(connection_reset\)/],
  ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n", /\(invalid_response\)/],
  [
    "two lengths",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    /\(invalid_response\)/,
  ],
  ["a chunk of no length", `${CHUNKED}zz\r\n{}\r\n`, /\(invalid_response\)/],
  [
    "a web page",
    httpAnswer("<html>Sign in</html>", 200, { "content-type": "text/html" }),
    /HTTP 200 \(text\/html\): the body can't be read: it is not JSON/,
  ],
  ["nothing in the body", httpAnswer(""), /it is empty/],
  ["half of a JSON text", httpAnswer('{"status":"done","output":[1,'), /it is not JSON/],
  [
    "JSON with something after it",
    httpAnswer('{"status":"done"} {"status":"done"}'),
    /it is not JSON/,
  ],
  [
    "invalid UTF-8",
    httpAnswer(Buffer.from('{"status":"done","output":"\xff"}', "latin1")),
    /it is not UTF-8/,
  ],
  [
    "a compressed body that unfolds into a larger one than may come",
    httpAnswer(gzipSync(`{"status":"running","so_far":"${"x".repeat(10 ** 6)}"}`), 200, {
      "content-encoding": "gzip",
    }),
    /Decompressed, the answer is larger than 262144 bytes \(body_too_large\)/,
  ],
  [
    "a redirect",
    httpAnswer("", 307, { location: "http://127.0.0.1:1/elsewhere?token=secret" }),
    /redirect to http:\/\/127\.0\.0\.1:1\/elsewhere\): not followed\. The URL must lead/,
  ],
  [
    "a million nested arrays",
    httpAnswer(deepArrays),
    /it is nested too deeply/,
    { answer_bytes_max: 2 ** 24, request_timeout_s: 10 },
  ],
  [
    "a million nested objects",
    httpAnswer(deepObjects),
    /it is nested too deeply/,
    { answer_bytes_max: 2 ** 24, request_timeout_s: 10 },
  ],
  [
    "a million arrays that are never closed",
    httpAnswer(deepArrays.slice(0, DEEP)),
    /it is nested too deeply/,
    { answer_bytes_max: 2 ** 24, request_timeout_s: 10 },
  ],
  [
    "JSON that names prototypes",
    httpAnswer('{"__proto__":{"status":"done"},"constructor":{"status":"done"}}'),
    /no status where one is expected/,
  ],
  [
    "a status that is a tree",
    httpAnswer('{"status":{"status":"done"}}'),
    /no status where one is expected/,
  ],
  [
    "a large answer of a job that still runs",
    httpAnswer(`{"status":"running","so_far":"${"x".repeat(70_000)}"}`),
    /the job still runs, and the answer has 700\d\d bytes, more than running_answer_bytes_max, 65536/,
  ],
  ["an impossible status", httpAnswer("{}", 999), /HTTP 999/],
];

describe("a hostile answer", () => {
  test.for(HOSTILE)(
    "a hostile answer of %s harms neither the process nor other jobs",
    async ([, hostile, lastError, limits = {}]) => {
      const { poller, answer, add, view, until, askedAgain, ending } = await startSocketPoller({
        ...LIMITS,
        ...limits,
      });
      const job = add(hostile);
      const other = add(RUNNING);
      await until(job, (seen) => lastError.test(seen?.lastError ?? ""));
      expect(view(job)).toMatchObject({ status: "pending" });
      // The lane goes on, for the others and, as soon as the upstream comes round, for this one.
      await askedAgain(`/jobs/${other.jobId}`, 3);
      // Unless the machine stalls for as long as a request may take, each of its polls succeeds.
      await until(other, (seen) => seen?.status === "processing" && seen.lastError === null);
      answer(`/jobs/${job.jobId}`, DONE);
      poller.watches.pollNow(job.shardId, job.id);
      expect(await ending(job)).toMatchObject({ type: "job.completed", result: "1" });
    },
  );

  test("a hostile answer uses its own place in the lane and no other", async () => {
    const { add, until, askedAgain, view } = await startSocketPoller(
      { ...LIMITS, request_timeout_s: 30 },
      { concurrency: 2 },
    );
    const stuck = add(() => undefined);
    const other = add(RUNNING);
    await until(other, (seen) => (seen?.pollCount ?? 0) >= 5);
    await askedAgain(`/jobs/${other.jobId}`, 5);
    expect(view(stuck)).toMatchObject({ pollCount: 0 });
  });

  test("an answer that takes long to parse is read elsewhere, while other jobs are polled", async () => {
    const { add, until, view } = await startSocketPoller({
      answer_bytes_max: 2 ** 24,
      running_answer_bytes_max: 64 * 1024,
    });
    const bomb = add(httpAnswer(`{"status":"running","so_far":[${"{},".repeat(1_000_000)}1]}`));
    const other = add(RUNNING);
    await until(other, (seen) => (seen?.pollCount ?? 0) >= 5);
    await until(bomb, (seen) => /still runs, and the answer has/.test(seen?.lastError ?? ""));
    expect(view(other)).toMatchObject({ lastError: null });
  });

  test("a hostile answer to the request for a result leaves the job live, and another's ending is recorded", async () => {
    const { answer, add, until, ending } = await startSocketPoller({
      ...LIMITS,
      result: { kind: "request", request: { path: "/results/{job_id}" } },
    });
    const job = add(DONE);
    answer(`/results/${job.jobId}`, (socket) => endlessly(socket, CHUNKED, "1\r\n[\r\n"));
    const other = add(DONE);
    answer(`/results/${other.jobId}`, httpAnswer("[1]"));
    expect(await ending(other)).toMatchObject({ type: "job.completed", result: "[1]" });
    const lastError = /could not be fetched: No complete answer within 400 ms/;
    await until(job, (seen) => lastError.test(seen?.lastError ?? ""));
    answer(`/results/${job.jobId}`, httpAnswer("[2]"));
    expect(await ending(job)).toMatchObject({ type: "job.completed", result: "[2]" });
  });

  test("the time that an earlier redirect has left is told in whole milliseconds", async () => {
    const { answer, add, until } = await startSocketPoller(LIMITS);
    const job = add("HTTP/1.1 307 x\r\nlocation: /silent\r\ncontent-length: 0\r\n\r\n");
    answer("/silent", () => undefined);
    const lastError = /No complete answer within \d+ ms/;
    const untilTold = until(job, (seen) => lastError.test(seen?.lastError ?? ""));
    await expect(untilTold).resolves.toBeUndefined();
  });

  test("an endless answer to the request for a result leaves the status answer as the result", async () => {
    const { answer, add, ending } = await startSocketPoller({
      ...LIMITS,
      result: { kind: "request", request: { path: "/results/{job_id}" } },
    });
    const job = add(DONE);
    answer(`/results/${job.jobId}`, (socket) => endlessly(socket, CHUNKED, CHUNK));
    expect(await ending(job)).toMatchObject({
      type: "job.completed",
      result: '{"status":"done","output":1}',
    });
  });
});
