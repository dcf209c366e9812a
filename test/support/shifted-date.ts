/*
 * Loaded by `--import` into a gateway: its machine's clock is wrong by TEST_CLOCK_SHIFT_MS, and by
 * TEST_CLOCK_SHIFT_LATER_MS from SIGUSR2 on. `performance.now()` goes on as it does on a real machine.
 */
let shiftMs = Number(process.env["TEST_CLOCK_SHIFT_MS"] ?? 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, args) =>
    args.length === 0 ? new target(target.now() + shiftMs) : Reflect.construct(target, args),
  get: (target, key) => (key === "now" ? () => target.now() + shiftMs : Reflect.get(target, key)),
});

process.on("SIGUSR2", () => {
  shiftMs = Number(process.env["TEST_CLOCK_SHIFT_LATER_MS"] ?? 0);
});
