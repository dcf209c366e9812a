import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** The same from the source and from the built package. */
const FOLDER = new URL("../../../docs/guides/", import.meta.url);

/**
 * The guides of this release as a document without operations, which the documentation page shows as it
 * shows the API: with navigation and search.
 */
export function guidesDocument(version: string): string {
  const guides = readdirSync(FOLDER)
    .filter((file) => file.endsWith(".md"))
    .toSorted()
    .map((file) => readGuide(file));
  const anchors = new Map(guides.map(({ name, title }) => [name, `#description/${slugOf(title)}`]));
  const text = guides.map(({ markdown }) => withLinks(markdown, anchors)).join("\n\n");
  return JSON.stringify({
    openapi: "3.1.0",
    info: { title: "Guides", version, description: text },
    paths: {},
  });
}

function readGuide(file: string) {
  const markdown = readFileSync(new URL(file, FOLDER), "utf8");
  const name = basename(file, ".md");
  const [, title = name] = /^# (.*)$/m.exec(markdown) ?? [];
  return { name, title, markdown };
}

/** Links between guides lead within the page; those to the project's other files are text. */
function withLinks(markdown: string, anchors: ReadonlyMap<string, string>): string {
  return markdown.replaceAll(
    /\[([^\]]+)\]\((?!\w+:)([^)#\s]*)(?:#[^)]*)?\)/g,
    (_, label: string, path: string) => {
      const anchor = anchors.get(basename(path, ".md"));
      return anchor === undefined ? label : `[${label}](${anchor})`;
    },
  );
}

function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(/\s+/g, "-");
}
