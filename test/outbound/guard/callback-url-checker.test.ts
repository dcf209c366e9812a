import { expect, test } from "vitest";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";
import type { NameToResolve } from "../../../src/outbound/names/name-resolver.ts";
import { CallbackUrlChecker } from "../../../src/outbound/guard/callback-url.ts";

function setUp(answers: readonly string[]) {
  const asked: NameToResolve[] = [];
  const checker = new CallbackUrlChecker(
    (projectId) =>
      createAddressGuard({
        cidrs: projectId === "inside" ? [{ address: "10.0.0.0", prefixBits: 8 }] : [],
        hostPorts: projectId === "listing" ? [{ host: "inner.example", port: 443 }] : [],
      }),
    ({ origin, path }) => origin === "http://127.0.0.1:8080" && path === "/sandbox/inbox",
    {
      peek(name) {
        asked.push(name);
        return { kind: "found", addresses: answers };
      },
    },
  );
  return { asked, checker };
}

test("judges by what is allowed to the project, and asks on its behalf", () => {
  const { asked, checker } = setUp(["10.0.0.1"]);
  const url = "https://inner.example/a";
  expect(checker.check("outside", url)).toMatchObject({ ok: false });
  expect(checker.check("inside", url)).toMatchObject({ ok: true });
  expect(checker.check("listing", url)).toMatchObject({ ok: true });
  expect(asked).toEqual([
    { host: "inner.example", projectId: "outside", isListed: false },
    { host: "inner.example", projectId: "inside", isListed: false },
    { host: "inner.example", projectId: "listing", isListed: true },
  ]);
});

test("lets every project call back to what is trusted, and to nothing beside it", () => {
  const { checker } = setUp([]);
  expect(checker.check("outside", "http://127.0.0.1:8080/sandbox/inbox")).toMatchObject({
    ok: true,
    warnings: [],
  });
  expect(checker.check("outside", "http://127.0.0.1:8080/v1/project")).toMatchObject({
    ok: false,
  });
});

test("judges the spelling of every URL by itself", () => {
  const { checker } = setUp(["93.184.215.14"]);
  const isOk = (url: string) => checker.check("outside", url).ok;
  expect(isOk("https://receiver.test.example/a")).toBe(true);
  expect(isOk("https://user@receiver.test.example/a")).toBe(false);
  expect(isOk("https://receiver.test.example/a#b")).toBe(false);
});
