/**
 * The program can't start until a person changes something, which the message explains. The place
 * in the code is of no use to that person, so it is reported without a stack.
 */
export class StartRefusedError extends Error {
  override readonly name: string = "StartRefusedError";
}
