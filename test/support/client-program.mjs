// A program that uses the client, in any JavaScript runtime: as a module it runs at once, in a worker for each request.
import { Ringback, RingbackError } from "ringback/client";

/** One line that says how it went. */
export async function program(options) {
  const ringback = new Ringback(options);
  const job = await ringback.sandbox.submit({ duration_s: 1 });
  await ringback.watch(job, { provider: "sandbox", inbox: "dev", metadata: { invoice: 17 } });
  const ending = await ringback.wait(job, { timeoutMs: 60_000 });
  let listed = 0;
  for await (const { status } of ringback.subscriptions.list())
    if (status !== "active") listed += 1;
  return `${ending.type} ${ending.data.metadata.invoice} ${listed} ${await refusal(ringback)}\n`;
}

async function refusal(ringback) {
  try {
    await ringback.subscriptions.get("sub_unknown");
    return "none";
  } catch (error) {
    return error instanceof RingbackError ? error.code : String(error);
  }
}

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const options = { url: searchParams.get("url"), apiKey: searchParams.get("key") };
    try {
      return new Response(await program(options));
    } catch (error) {
      return new Response(String(error.stack));
    }
  },
};
