/** The mistakes of a file, each with its place. */
export function problemLines(
  file: string,
  problems: readonly { readonly pointer: string; readonly detail: string }[],
): string[] {
  const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
  return [
    `${file} has ${count}:`,
    ...problems.map(
      ({ pointer, detail }) => `  ${pointer === "" ? "all of it" : pointer}: ${detail}`,
    ),
  ];
}
