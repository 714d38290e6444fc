import { atLeast } from "./version.ts";

describe("atLeast", () => {
  it("compares numbers, not text", () => {
    expect(atLeast("1.26.10", "1.26.6")).toBe(true);
    expect(atLeast("1.9", "1.26.6")).toBe(false);
  });

  it("treats a missing part as zero", () => {
    expect(atLeast("3.11", "3.11")).toBe(true);
    expect(atLeast("1.26", "1.26.6")).toBe(false);
    expect(atLeast("1.27", "1.26.6")).toBe(true);
    expect(atLeast("0", "3.150.0")).toBe(false);
  });

  it("treats a version without numbers as 0", () => {
    expect(atLeast("unknown", "1.0")).toBe(false);
    expect(atLeast("unknown", "none")).toBe(true);
    expect(atLeast("1.0", "none")).toBe(true);
  });
});
