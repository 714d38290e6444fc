import { localName, pendingCreations } from "./pulumi.ts";

describe("localName", () => {
  it("is the last part of the name", () => {
    expect(["local", "a.b_c-D", "org/aws", "org/project/aws"].map(localName)).toEqual([
      "local",
      "a.b_c-D",
      "aws",
      "aws",
    ]);
  });

  it.each(["two words", "ö", "", "..", ".", "org/..", "--help", "a;b", "a\nb"])(
    "refuses %j, and says what is allowed",
    (name) => {
      expect(() => localName(name)).toThrow('it may hold letters, digits, "-", "_" and "."');
    },
  );
});

describe("pendingCreations", () => {
  it("names what was being created, and nothing that was being changed or deleted", () => {
    const pending = (type: string, name: string) => ({
      type,
      resource: { urn: `urn:pulumi:s::p::t:T::${name}` },
    });
    const deployment = { pending_operations: [pending("creating", "a"), pending("deleting", "b")] };
    expect(pendingCreations(JSON.stringify({ version: 3, deployment }))).toEqual(["a"]);
    expect(pendingCreations(JSON.stringify({ version: 3, deployment: {} }))).toEqual([]);
    expect(pendingCreations(JSON.stringify({ version: 3, deployment: null }))).toEqual([]);
  });
});
