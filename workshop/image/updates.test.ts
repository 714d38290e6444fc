import { parseUpgrade } from "./updates.ts";

describe("parseUpgrade", () => {
  it("marks security updates, and ignores new packages", () => {
    const text = [
      "NOTE: This is only a simulation!",
      "Inst libssl3t64 [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64]) []",
      "Inst base-files [13.8] (13.8+deb13u2 Debian:13.2/stable [amd64])",
      "Inst linux-image-6.12.90 (6.12.90-1 Debian-Security:13/stable-security [amd64])",
      "Conf libssl3t64 (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])",
    ].join("\n");
    expect(parseUpgrade(text)).toEqual([
      { name: "libssl3t64", installed: "3.5.1-1", available: "3.5.1-1+deb13u1", security: true },
      { name: "base-files", installed: "13.8", available: "13.8+deb13u2", security: false },
    ]);
  });

  it("finds nothing if nothing is newer", () => {
    expect(parseUpgrade("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n")).toEqual([]);
  });
});
