import { describe, expect, test } from "vitest";
import { readDatabaseUrl, redactUrl } from "../../../src/store/connection/database-url.ts";

test.each([
  ["postgres://u:p@h:1/d?x=1", "postgres://u:***@h:1/d"],
  ["postgres://u@h/d", "postgres://u:***@h/d"],
  ["postgresql://h/d", "postgresql://h/d"],
  ["postgres://u:p@s:/w@h1:1,h2:2/d", "postgres://u:***@h1:1,h2:2/d"],
  ["u:p@h", "(not a URL)"],
])("%s is shown as %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

describe("the servers of a URL", () => {
  const local = { host: "localhost", port: 5432 };

  test.each([
    ["postgres://u:p@db/x", [{ host: "db", port: 5432 }], "any"],
    ["postgres://u:p%40@db:6543/x", [{ host: "db", port: 6543 }], "any"],
    ["postgresql://a:1,b:2,c/x", [at("a", 1), at("b", 2), at("c", 5432)], "read-write"],
    ["postgres://u:p@w@a,b/x?target_session_attrs=any", [at("a"), at("b")], "any"],
    ["postgres://[::1]:6000,[fe80::1%eth0]/x", [at("::1", 6000), at("fe80::1%eth0")], "read-write"],
    ["postgres://%2Frun%2Fpg:5433/x", [at("/run/pg", 5433)], "any"],
    ["postgres:///x?host=/run/pg", [at("/run/pg")], "any"],
    ["postgres:///x?host=a,b&port=1,2", [at("a", 1), at("b", 2)], "read-write"],
    ["postgres:///x?host=a,::1&port=1", [at("a", 1), at("::1", 1)], "read-write"],
    ["postgres:///x", [local], "any"],
    ["postgres://u@a/x?target_session_attrs=primary", [at("a")], "primary"],
  ])("the servers of the URL %s are found", (url, servers, target) => {
    expect(readDatabaseUrl(url)).toMatchObject({ kind: "ok", address: { servers, target } });
  });

  test.each([
    ["db", "is not a URL"],
    ["mysql://db/x", "is not a postgres:// URL"],
    ["postgres://u:geheim@[broken/x", "has no host for a server"],
    ["postgres://a,,b/x", "has no host for server 2"],
    ["postgres://a:1,b:99999/x", "has a wrong port for server 2"],
    ["postgres://a:port/x", "has a wrong port for a server"],
    ["postgres://u:100%@a/x", "is not a URL"],
    [`postgres://${Array(17).fill("a").join(",")}/x`, "names more than 16 servers"],
    [
      "postgres://a,b/x?target_session_attrs=prefer-standby",
      "has target_session_attrs=prefer-standby, but Ringback has to write",
    ],
    [
      "postgres://a,b/x?target_session_attrs=writable",
      "has a target_session_attrs that is none of any, read-write, primary",
    ],
  ])("the URL %s is refused", (url, problem) => {
    expect(readDatabaseUrl(url)).toEqual({ kind: "invalid", problem });
  });

  test("the driver gets the rest of the URL: user, password, database and its own parameters", () => {
    const url = "postgres://u:p@a,b/x?sslmode=require&pgbouncer=true&target_session_attrs=primary";
    expect(readDatabaseUrl(url)).toMatchObject({
      address: { driverUrl: "postgres://u:p@localhost/x" },
    });
  });
});

function at(host: string, port = 5432): { host: string; port: number } {
  return { host, port };
}
