import { atLeast } from "./version.ts";

describe("atLeast", () => {
  it("compares numbers, not letters", () => {
    expect(atLeast("1.26.10", "1.26.6")).toBe(true);
    expect(atLeast("1.9", "1.26.6")).toBe(false);
  });

  it("takes a missing part for zero", () => {
    expect(atLeast("3.11", "3.11")).toBe(true);
    expect(atLeast("1.26", "1.26.6")).toBe(false);
    expect(atLeast("1.27", "1.26.6")).toBe(true);
    expect(atLeast("0", "3.150.0")).toBe(false);
  });

  it("takes a version without numbers for none", () => {
    expect(atLeast("unknown", "1.0")).toBe(false);
    expect(atLeast("unknown", "none")).toBe(true);
    expect(atLeast("1.0", "none")).toBe(true);
  });
});
