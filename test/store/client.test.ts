import { expect, test } from "vitest";
import { redactUrl } from "../../src/store/client.ts";

test.each([
  ["postgres://u:p@h:1/d?x=1", "postgres://u:***@h:1/d"],
  ["postgres://u@h/d", "postgres://u:***@h/d"],
  ["postgresql://h/d", "postgresql://h/d"],
  ["postgres://u:p@s:/w@h1:1,h2:2/d", "postgres://u:***@h1:1,h2:2/d"],
  ["u:p@h", "(not a URL)"],
])("%s is shown as %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});
