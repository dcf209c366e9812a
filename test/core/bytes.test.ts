import fc from "fast-check";
import { expect, test } from "vitest";
import { cutUtf8 } from "../../src/core/bytes.ts";

test("the pieces are the text, each within the limit and of whole characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 4, max: 9 }), (text, max) => {
      const bytes = Buffer.from(text);
      const pieces = [...cutUtf8(bytes, max)];
      expect(Buffer.concat(pieces)).toEqual(bytes);
      for (const piece of pieces) {
        expect(piece.length).toBeGreaterThan(0);
        expect(piece.length).toBeLessThanOrEqual(max);
        expect(Buffer.from(piece.toString())).toEqual(piece);
      }
    }),
  );
});
