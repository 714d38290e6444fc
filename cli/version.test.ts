import { execFileSync } from "node:child_process";
import { inCheckout } from "../workshop/checkout.ts";
import { versionText } from "./version.ts";

describe("versionText", () => {
  it("names the commit of a git checkout, and whether files differ from it", () => {
    const text = versionText({ commit: "93a8055", dirty: false });
    expect(text).toMatch(/^disgrafs-lab \d+\.\d+\.\d+ \(commit 93a8055\)$/);
    expect(versionText({ commit: "93a8055", dirty: true })).toMatch(/ \(commit 93a8055, changed\)$/);
  });

  it("has only the version outside of git", () => {
    expect(versionText({ commit: null, dirty: null })).toMatch(/^disgrafs-lab \d+\.\d+\.\d+$/);
  });

  it("is what ./lab --version prints", () => {
    expect(execFileSync(inCheckout("lab"), ["--version"], { encoding: "utf8" })).toBe(`${versionText()}\n`);
  }, 60_000);
});
