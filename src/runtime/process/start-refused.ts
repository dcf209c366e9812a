/**
 * The program can't start until a person changes something, and the message says what. Where in
 * the program that was found out helps nobody, so it is told without its stack.
 */
export class StartRefusedError extends Error {
  override readonly name: string = "StartRefusedError";
}
