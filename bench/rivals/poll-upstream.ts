import { Agent, request } from "undici";

/** The poll itself: the same for all rivals, and for the raw loop. */
export function createPoll(origin: string): (job: number) => Promise<void> {
  const dispatcher = new Agent({ connections: CONNECTIONS, pipelining: 1 });
  const headers = { accept: "application/json", "x-api-key": "bench" };
  return async (job) => {
    const { body } = await request(`${origin}/job/bench-${job}`, { dispatcher, headers });
    const answer = (await body.json()) as { status: string };
    if (answer.status !== "processing") throw new Error(`Unexpected status ${answer.status}.`);
  };
}

/** More make undici's pool slower; polls that find none free wait in it. */
const CONNECTIONS = 64;
