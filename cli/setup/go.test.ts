import { requiredGo } from "./go.ts";

describe("requiredGo", () => {
  it("is the go line of go.mod, and not the tool or toolchain line", () => {
    expect(requiredGo("module x\n\ntoolchain go1.27.0\n\ngo 1.26.6\n\ntool github.com/x/y\n")).toBe("1.26.6");
  });
});
