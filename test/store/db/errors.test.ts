import { expect, test } from "vitest";
import {
  DatabaseBusyError,
  DatabaseTimeoutError,
  errorCode,
  isTransient,
} from "../../../src/store/db/errors.ts";

const failed = (code: string): Error => Object.assign(new Error(code), { code });

const TRANSIENT =
  "08006 08P01 25006 40001 40P01 53100 53300 55P03 57014 57P01 57P03 " +
  "CONNECTION_CLOSED CONNECTION_ENDED CONNECT_TIMEOUT SERVER_REFUSES ECONNREFUSED ECONNRESET EPIPE";

test.each(TRANSIENT.split(" "))(
  "%s may be gone on the next try, also inside another error",
  (code) => {
    expect(isTransient(failed(code))).toBe(true);
    expect(isTransient(new Error("wrapped", { cause: failed(code) }))).toBe(true);
  },
);

test.each([
  "22P02",
  "23505",
  "21000",
  "28P01",
  "3D000",
  "42P01",
  "57P04",
  "XX000",
  "UNDEFINED_VALUE",
])("%s fails again however often it is tried", (code) => {
  expect(isTransient(failed(code))).toBe(false);
});

test("calls that were too slow or too many are worth another try", () => {
  expect(isTransient(new DatabaseTimeoutError("x"))).toBe(true);
  expect(isTransient(new DatabaseBusyError("x"))).toBe(true);
});

test("a value that is no error is not transient and has no code", () => {
  expect(isTransient("ECONNRESET")).toBe(false);
  expect(isTransient(new Error("plain"))).toBe(false);
  expect(errorCode({ code: "40001" })).toBeNull();
  expect(errorCode(Object.assign(new Error("x"), { code: 7 }))).toBeNull();
});
