import { atLeast, requiredGo } from "./go.ts";

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
});

describe("requiredGo", () => {
  it("is the go line of go.mod, and not the tool or toolchain line", () => {
    expect(requiredGo("module x\n\ntoolchain go1.27.0\n\ngo 1.26.6\n\ntool github.com/x/y\n")).toBe("1.26.6");
  });
});
