import { lookup } from "node:dns/promises";

/** All addresses of a name; rejects with Node's DNS error codes. */
export type AddressLookup = (host: string) => Promise<readonly string[]>;

/** The system's resolver, hosts file included. */
export const systemLookup: AddressLookup = async (host) => {
  const answers = await lookup(host, { all: true });
  return answers.map(({ address }) => address);
};

/** Asks once for callers that ask at the same moment; keeps nothing longer, so DNS changes are seen. */
export function shareLookups(ask: AddressLookup): AddressLookup {
  const underWay = new Map<string, Promise<readonly string[]>>();
  return (host) => {
    const known = underWay.get(host);
    if (known !== undefined) return known;
    const answer = ask(host).finally(() => underWay.delete(host));
    underWay.set(host, answer);
    return answer;
  };
}
