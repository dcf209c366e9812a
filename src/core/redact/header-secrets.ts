/** Headers whose values are made of a scheme or names, and secrets. */
const STRUCTURED = /^(proxy-)?authorization$|^cookie$/;

/** The texts that give away a request's own headers, should the answer echo them. */
export function headerSecrets(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    STRUCTURED.test(name.toLowerCase()) ? partsOf(value).concat(value) : value,
  );
}

function partsOf(value: string): string[] {
  const words = value.split(/[\s;,]+/).slice(value.includes(" ") ? 1 : 0);
  const basic = /^basic\s+(\S+)$/i.exec(value)?.[1];
  const pair = basic === undefined ? "" : Buffer.from(basic, "base64").toString("utf8");
  return [
    ...words,
    ...value.split(/[\s;,]+/).flatMap((word) => word.split(/=(.+)/s)[1] ?? []),
    ...(pair.includes(":") ? [pair, pair.slice(pair.indexOf(":") + 1)] : []),
  ];
}
