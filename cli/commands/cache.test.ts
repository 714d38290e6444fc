import { cacheReport, updatesReport } from "./cache.ts";

const entry = (name: string, days: number, neededBy?: string) => ({
  kind: "images" as const,
  name,
  folder: `/cache/images/${name}`,
  bytes: 2 ** 30,
  made: new Date(Date.UTC(2026, 0, 1 - days)),
  neededBy,
});
const now = new Date(Date.UTC(2026, 0, 1, 12));

describe("the cache's table", () => {
  it("shows sizes, ages and who needs an entry", () => {
    expect(cacheReport([entry("debian-13-1", 3, "this checkout"), entry("debian-13-2", 90)], now)).toBe(
      [
        "ENTRY               GIB   AGE   NEEDED BY",
        "images/debian-13-1  1.00  3 d   this checkout",
        "images/debian-13-2  1.00  90 d  -",
        "2.00 GiB, of which 1.00 are not needed",
        "",
      ].join("\n"),
    );
  });

  it("reports a used image that is a month old", () => {
    expect(cacheReport([entry("debian-13-1", 31, "this checkout")], now)).toContain(
      "an image is 31 days old; see what it misses: ./lab cache --updates\n",
    );
  });
});

describe("what an image misses", () => {
  const update = { name: "openssl", installed: "3.5.1-1", available: "3.5.1-1+deb13u1", security: true };

  it("names security updates and counts the rest", () => {
    expect(updatesReport("debian-13-1", [update, { ...update, name: "vim", security: false }])).toBe(
      [
        "images/debian-13-1: Debian has 2 newer packages, 1 of them for security",
        "  openssl 3.5.1-1 -> 3.5.1-1+deb13u1",
        "  get them: ./lab cache --renew debian-13",
        "",
      ].join("\n"),
    );
  });

  it("does not call an image current without a package list", () => {
    expect(updatesReport("debian-13-1", [])).toBe("images/debian-13-1: Debian has nothing newer\n");
    expect(updatesReport("debian-13-1", undefined)).toContain("baked before the lab kept lists of packages");
  });
});
