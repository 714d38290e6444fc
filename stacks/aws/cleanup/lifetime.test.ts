import { endOf } from "./lifetime.ts";

describe("the end of a lab", () => {
  const created = "2026-11-25T18:00:00Z";
  it("is counted from its beginning", () => {
    expect(endOf(created, 4 * 3600, new Date("2026-11-25T21:59:59Z"))).toBe("2026-11-25T22:00:00Z");
  });
  it("makes an up fail with advice once it has passed", () => {
    expect(() => endOf(created, 4 * 3600, new Date("2026-11-25T22:00:00Z"))).toThrow(
      /this lab expired at 2026-11-25T22:00:00Z: .* \.\/lab down --stack \S+, then \.\/lab up --stack \S+$/,
    );
  });
});
