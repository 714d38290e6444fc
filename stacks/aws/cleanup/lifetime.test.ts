import { endOf } from "./lifetime.ts";

describe("the end of a lab", () => {
  const created = "2026-11-25T18:00:00Z";
  it("counts from its beginning", () => {
    expect(endOf(created, 4 * 3600, new Date("2026-11-25T21:59:59Z"))).toBe("2026-11-25T22:00:00Z");
  });
  it("once it is past, stops an up and says what to do", () => {
    expect(() => endOf(created, 4 * 3600, new Date("2026-11-25T22:00:00Z"))).toThrow(
      /this lab expired at 2026-11-25T22:00:00Z: .* \.\/lab down --stack \S+, then \.\/lab up --stack \S+$/,
    );
  });
});
