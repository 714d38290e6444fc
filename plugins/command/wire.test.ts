/** Property values on the wire. */
import fc from "fast-check";
import {
  assetArchive,
  fileAsset,
  hasUnknown,
  isSecret,
  plain,
  readAsset,
  secret,
  secretTexts,
  unknown,
  type Value,
} from "./wire.ts";

const json = fc.jsonValue().map((value) => value as Value);

describe("secrets", () => {
  test("are unmarked to the original value, at any depth", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(plain(secret(value))).toEqual(plain(value));
        expect(plain({ a: [secret(value)] })).toEqual({ a: [plain(value)] });
        expect(isSecret(secret(value))).toBe(true);
      }),
    );
  });

  test("are not marked twice", () => expect(secret(secret("x"))).toEqual(secret("x")));

  test("have as their texts exactly those inside a mark", () => {
    expect(
      secretTexts({ a: "no", b: secret({ c: ["one", 2, secret("two")] }), d: [secret(unknown)] }),
    ).toEqual(["one", "two"]);
  });
});

test("an unknown value is found at any depth", () => {
  expect(hasUnknown({ a: [{ b: secret(unknown) }] })).toBe(true);
  expect(hasUnknown({ a: [{ b: "known" }], c: null })).toBe(false);
});

describe("assets", () => {
  test("are read in the forms that the engine sends", () => {
    expect(readAsset(fileAsset("a/b", "12"))).toEqual({ kind: "asset", path: "a/b", hash: "12" });
    const text = { ...(fileAsset("", "12") as object), text: "" } as Value;
    expect(readAsset(text)).toEqual({ kind: "asset", text: "", hash: "12" });
    expect(readAsset(assetArchive({ x: fileAsset("y", "1") }, "2"))).toEqual({
      kind: "archive",
      hash: "2",
      assets: { x: { kind: "asset", path: "y", hash: "1" } },
    });
    expect(readAsset({ path: "a" })).toBeUndefined();
    expect(readAsset(secret("x"))).toBeUndefined();
  });
});
