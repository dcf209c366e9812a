import { html } from "hono/html";
import type { Markup } from "./markup.ts";

/** Beyond this number of comparisons, the whole middle is shown as replaced. */
const COMPARED_MAX = 1_000_000;
/** Unchanged lines that are shown around changes. */
const CONTEXT_LINES = 3;

interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
}

/** The changes from one text to the other, line by line, by a longest common subsequence. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  const left = Math.min(a.length, b.length) - start;
  while (end < left && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (text: string): DiffLine => ({ kind: "same", text });
  return [
    ...a.slice(0, start).map(same),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(same),
  ];
}

function middle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: "removed", text });
  const added = (text: string): DiffLine => ({ kind: "added", text });
  if (a.length * b.length > COMPARED_MAX) return [...a.map(removed), ...b.map(added)];
  const width = b.length + 1;
  // How many lines the rests have in common.
  const common = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [one = "", other = ""] = [a[i], b[j]];
    if (i < a.length && j < b.length && one === other) {
      lines.push({ kind: "same", text: one });
      i += 1;
      j += 1;
    } else if (j === b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(removed(one));
      i += 1;
    } else {
      lines.push(added(other));
      j += 1;
    }
  }
  return lines;
}

const MARKS = { same: " ", removed: "-", added: "+" } as const;
const NAMES = { same: "", removed: "Removed: ", added: "Added: " } as const;

/** The changed lines with a few around them. */
export function diffView(lines: readonly DiffLine[]): Markup {
  const near = lines.map((_, index) =>
    lines
      .slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1)
      .some(({ kind }) => kind !== "same"),
  );
  return html`<ol class="diff mono" tabindex="0" aria-label="Changes, line by line">
    ${lines.flatMap(({ kind, text }, index) => {
      if (near[index] === true) {
        const name = NAMES[kind] === "" ? "" : html`<span class="unseen">${NAMES[kind]}</span>`;
        return [
          html`<li class="${kind}">
            <span aria-hidden="true">${MARKS[kind]}</span>${name}<span class="line">${text}</span>
          </li>`,
        ];
      }
      return near[index - 1] === true || index === 0 ? [html`<li class="gap">…</li>`] : [];
    })}
  </ol>`;
}
