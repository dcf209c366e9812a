/** The body of the first subscription request that a page of the documentation shows, as JSON. */
export function requestOfReadme(markdown: string): string {
  const [, body] = /\/v1\/subscriptions -d '(\{[^]*?\})'\n/.exec(markdown) ?? [];
  if (body === undefined) throw new Error("The page shows no request for a subscription.");
  // The shell puts the job's id between the quotes.
  return JSON.stringify(JSON.parse(body.replaceAll(/'\$\w+'/g, "job-1")));
}
