import fc from "fast-check";
import { expect, test } from "vitest";
import { compareUuids, packedFromBytes, packUuids } from "../../../src/core/ids/packed-uuids.ts";

const uuids = fc.uniqueArray(fc.uuid(), { maxLength: 50 });

test("a comparison finds what each side has and the other lacks", () => {
  fc.assert(
    fc.property(uuids, uuids, uuids, (both, left, right) => {
      const shared = new Set(both);
      const leftAlone = left.filter((id) => !shared.has(id) && !right.includes(id));
      const rightAlone = right.filter((id) => !shared.has(id) && !left.includes(id));
      const { onlyLeft, onlyRight } = compareUuids(
        packUuids([...leftAlone, ...both]),
        packUuids([...both, ...rightAlone]),
      );
      expect(onlyLeft).toEqual(leftAlone);
      expect(onlyRight).toEqual(rightAlone);
    }),
  );
});

test("the bytes of UUIDs, one after the other, are packed as their texts are", () => {
  fc.assert(
    fc.property(uuids, (ids) => {
      const bytes = Buffer.from(ids.join("").replaceAll("-", ""), "hex");
      expect(packedFromBytes(bytes)).toEqual(packUuids(ids));
    }),
  );
});
