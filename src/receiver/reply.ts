/**
 * A handler's reply when it returns something; nothing means 2xx. `gone` ends the subscription (410);
 * `refuse` ends this delivery, which will never be accepted; `retry` asks for it again, after so many
 * seconds if given, otherwise by the schedule.
 */
export type CallbackReply =
  | { readonly answer: "gone" }
  | { readonly answer: "refuse" }
  | { readonly answer: "retry"; readonly afterS?: number };

export type Replied = CallbackReply | void | Promise<CallbackReply | void>;

/** @param reply undefined when the callback was handled, now or before */
export function responseTo(reply: CallbackReply | undefined): Response {
  if (reply === undefined) return new Response(null, { status: 204 });
  switch (reply.answer) {
    case "gone":
      return plain(410, "The receiver wants no more callbacks.");
    case "refuse":
      return plain(422, "The receiver refuses this callback.", { "ringback-retry": "no" });
    case "retry": {
      const { afterS } = reply;
      const headers = afterS === undefined ? {} : { "ringback-retry-after": String(afterS) };
      return plain(503, "The receiver asks for this callback later.", headers);
    }
  }
}

/** A short text, which the gateway keeps with the attempt. */
export function plain(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
