import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type Scene, UPSTREAM_KEY, useScenes } from "./scene.ts";

const BYTES_MAX = 4 * 2 ** 20;
const openScene = useScenes({ RINGBACK_FETCHED_RESULT_BYTES_MAX: String(BYTES_MAX) });

type Download = (response: ServerResponse, request: IncomingMessage, number: number) => void;

interface LinkScene extends Scene {
  /** Subscribes to a job that has completed with a link. */
  readonly subscribeToLink: (fields?: object) => ReturnType<Scene["subscribe"]>;
  readonly downloads: IncomingMessage[];
  readonly link: string;
}

/** An upstream whose job has completed, with a link that `download` answers. */
async function openLinkScene(context: TestContext, download: Download): Promise<LinkScene> {
  const scene = await openScene(context);
  const downloads: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/job/") === true) {
      const { body } = pulseAnswer.completed(
        JSON.stringify({ is_url: true, url: link, "plan-info": { pages_used: 90 } }),
      ) as { body: string };
      response.setHeader("content-type", "application/json").end(body);
      return;
    }
    downloads.push(request);
    download(response, request, downloads.length);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  context.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const link = `${origin}/large_results/${scene.jobId}`;
  const connection = await scene.connect({ base_url: origin });
  return {
    ...scene,
    downloads,
    link,
    subscribeToLink: (fields = {}) =>
      scene.subscribe({ connection: connection.name, fetch_result: true, ...fields }),
  };
}

/** As a link that is good for one download. */
const goodForOnce =
  (body: Buffer, type = "application/json"): Download =>
  (response, _request, number) => {
    if (number > 1) response.writeHead(410).end();
    else response.setHeader("content-type", type).end(body);
  };

const sha256 = (body: Buffer): string => createHash("sha256").update(body).digest("hex");

describe.concurrent("a result that is a link", () => {
  test("a result link is fetched once, stored before the ending is recorded, and served any number of times", async (context) => {
    const body = Buffer.from(JSON.stringify({ markdown: "ü".repeat(1_000_000) }));
    const scene = await openLinkScene(context, goodForOnce(body));
    const { receiver, path, downloads, subscribeToLink, gateway } = scene;
    const subscription = await subscribeToLink();
    expect(subscription.fetch_result).toBe(true);
    const { event } = await receiver.takeOne(path);
    expect(event.data).not.toHaveProperty("result");
    expect(event.data.result_fetch).toEqual({
      status: "stored",
      content_type: "application/json",
      bytes: body.length,
      sha256: sha256(body),
    });
    for (const _ of [1, 2]) {
      const response = await fetch(event.data.result_url);
      expect(response.headers.get("content-length")).toBe(String(body.length));
      expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
    }
    expect(downloads).toHaveLength(1);
    // Pulse's own link takes the key.
    expect(downloads[0]?.headers["x-api-key"]).toBe(UPSTREAM_KEY);
    const left = () => gateway.sql`
      select from fetched_results join jobs using (shard_id)
      where jobs.id = job_row_id and jobs.job_id = ${scene.jobId}`;
    await vi.waitFor(async () => expect(await left()).toHaveLength(0), { timeout: 60_000 });
  });

  test("a fetched result of any type is stored unchanged and served so that it can't act as a page", async (context) => {
    const body = Buffer.from([0, 255, 60, 104, 116, 109, 108, 62, 0x80]);
    const scene = await openLinkScene(context, goodForOnce(body, "text/html; charset=utf-8"));
    await scene.subscribeToLink();
    const { event } = await scene.receiver.takeOne(scene.path);
    const response = await fetch(event.data.result_url);
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "private, no-store",
      "content-disposition": "attachment",
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      etag: `"${sha256(body)}"`,
    });
  });

  test("a result link stays the link for subscriptions without fetch_result", async (context) => {
    const scene = await openLinkScene(context, goodForOnce(Buffer.from("{}")));
    const { receiver, link, subscribeToLink, path, gateway, look } = scene;
    await subscribeToLink({ fetch_result: false, callback_url: receiver.url("/plain") });
    const plain = await receiver.takeOne("/plain");
    expect(plain.event.data.result).toMatchObject({ is_url: true, url: link });
    expect(plain.event.data).not.toHaveProperty("result_fetch");
    expect(scene.downloads).toEqual([]);

    // One poll serves both.
    const jobId = `${scene.jobId}-shared`;
    const { name: connection } = await scene.connect({ base_url: new URL(link).origin });
    await gateway.api("POST", "/v1/subscriptions/batch", [
      { job_id: jobId, connection, fetch_result: true, callback_url: receiver.url(path) },
      { job_id: jobId, connection, callback_url: receiver.url("/shared") },
    ]);
    const asked = await receiver.takeOne(path);
    const other = await receiver.takeOne("/shared");
    expect(asked.event.data.result_fetch.status).toBe("stored");
    expect(other.event.data.result).toMatchObject({ url: link });
    const [delivery] = await gateway.sql`
      select event_id from deliveries where id = ${uuidOf(asked.webhookId)}`;
    const event = await look(
      `/v1/events/evt_${String(delivery?.["event_id"]).replaceAll("-", "")}`,
    );
    expect(event.data).toMatchObject({
      result: { url: link },
      result_url: expect.stringContaining("token="),
      result_fetch: { status: "stored" },
    });
  });

  test("a result link is fetched again while its server fails", async (context) => {
    const body = Buffer.from('{"a": 1}');
    const scene = await openLinkScene(context, (response, _request, number) => {
      if (number === 1) response.writeHead(503).end();
      else response.end(body);
    });
    await scene.subscribeToLink();
    const { event } = await scene.receiver.takeOne(scene.path);
    expect(event.data.result_fetch).toMatchObject({ status: "stored", bytes: body.length });
    expect(scene.downloads).toHaveLength(2);
  });
});

describe.concurrent("a result that can't be fetched", () => {
  const fails = async (context: TestContext, download: Download) => {
    const scene = await openLinkScene(context, download);
    await scene.subscribeToLink();
    const { event } = await scene.receiver.takeOne(scene.path);
    // The ending is told all the same, with the link.
    expect(event.type).toBe("job.completed");
    expect(event.data.result).toMatchObject({ is_url: true, url: scene.link });
    expect(event.data.result_fetch.status).toBe("failed");
    return { scene, error: String(event.data.result_fetch.error) };
  };

  test("a used-up link can't be fetched, and the ending says so", async (context) => {
    const { scene, error } = await fails(context, (response) => response.writeHead(410).end());
    expect(error).toBe("The link answered 410.");
    expect(scene.downloads).toHaveLength(1);
  });

  test("a download that broke off from a single-use link can't be fetched again, and the ending says so", async (context) => {
    const { error } = await fails(context, (response, _request, number) => {
      if (number > 1) return void response.writeHead(410).end();
      response.writeHead(200, { "content-length": "2000000" });
      response.write(Buffer.alloc(1_000_000), () => response.destroy());
    });
    expect(error).toContain("answered 410");
    expect(error).toContain("broke off");
  });

  test("a result that is too large is not fetched and leaves nothing behind", async (context) => {
    const { scene, error } = await fails(context, (response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(100_000)));
        response.once("drain", more);
      };
      more();
    });
    expect(error).toContain("body_too_large");
    const shard = await scene.gateway.sql`select shard_id from jobs where job_id = ${scene.jobId}`;
    const parts = await scene.gateway.sql`
      select from result_parts where shard_id = ${shard[0]?.["shard_id"]}
        and not exists (select from events where events.id = event_id)`;
    expect(parts).toHaveLength(0);
  });

  test("a link to a host that is not allowed is not fetched", async (context) => {
    const scene = await openScene(context);
    const url = "https://elsewhere.example.com/result";
    scene.upstream.answer(
      scene.jobId,
      pulseAnswer.completed(JSON.stringify({ is_url: true, url })),
    );
    await scene.subscribe({ fetch_result: true });
    const { event } = await scene.receiver.takeOne(scene.path);
    expect(event.data.result).toMatchObject({ url });
    expect(event.data.result_fetch.error).toContain("elsewhere.example.com");
    expect(event.data.result_fetch.error).not.toContain(UPSTREAM_KEY);
  });
});

test("a result that a node had fetched before it died is kept for the ending, though the link is used up", async (context) => {
  const scene = await openLinkScene(context, (response) => response.writeHead(410).end());
  const { gateway, receiver, path, subscribeToLink, downloads } = scene;
  const body = Buffer.from("fetched before");
  const note = {
    status: "stored",
    content_type: "text/plain",
    bytes: body.length,
    sha256: sha256(body),
  };
  // Paused, so that nothing is polled before the rows are there.
  const connection = await scene.connect({ base_url: new URL(scene.link).origin });
  await gateway.api("PATCH", `/v1/connections/${connection.id}`, { state: "paused" });
  const subscription = await subscribeToLink({ connection: connection.name });
  const [job] = await gateway.sql`
    select shard_id, id from jobs where connection_id = ${uuidOf(connection.id)}`;
  const eventId = String(job?.["id"]).replace(/.$/, "0");
  await gateway.sql`
    insert into result_parts values (${job?.["shard_id"]}, ${eventId}, 1, ${body})`;
  await gateway.sql`
    insert into fetched_results
    values (${job?.["shard_id"]}, ${job?.["id"]}, ${eventId}, ${JSON.stringify(note)}, now())`;
  await gateway.api("PATCH", `/v1/connections/${connection.id}`, { state: "active" });
  const { event } = await receiver.takeOne(path);
  expect(event.data.result_fetch).toEqual(note);
  expect(await (await fetch(event.data.result_url)).text()).toBe("fetched before");
  expect(downloads).toEqual([]);
  expect(event.data.subscription_id).toBe(subscription.id);
});

function uuidOf(publicId: string): string {
  return publicId.replace(/^[a-z]+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
