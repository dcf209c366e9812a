/**
 * Milliseconds on a clock that all processes of this machine share and that never jumps. Readings
 * of two processes can be subtracted; `performance.now` counts from each process's own start.
 */
export function machineClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
