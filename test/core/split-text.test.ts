import fc from "fast-check";
import { expect, test } from "vitest";
import { splitText } from "../../src/core/split-text.ts";

test("the pieces are the text, each within the limit and whole characters in UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 2, max: 9 }), (text, max) => {
      const pieces = splitText(text, max);
      expect(pieces.join("")).toBe(text);
      for (const piece of pieces) {
        expect(piece.length).toBeGreaterThan(0);
        expect(piece.length).toBeLessThanOrEqual(max);
      }
      expect(Buffer.concat(pieces.map((piece) => Buffer.from(piece)))).toEqual(Buffer.from(text));
    }),
  );
});
