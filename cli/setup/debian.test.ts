import { debianPackages, distribution, isSupported, missingPackages, packagesFor } from "./debian.ts";

const osRelease = (id: string, version: string): string =>
  `PRETTY_NAME="Some ${id}"\nNAME="x"\nVERSION_ID="${version}"\nVERSION="${version}"\nID=${id}\n`;

describe("distribution", () => {
  it("reads os-release with and without quotes", () => {
    expect(distribution(osRelease("debian", "12"))).toEqual({
      id: "debian",
      version: "12",
      title: "Some debian",
    });
  });

  it("accepts only the three tested ones", () => {
    const of = (id: string, version: string): boolean => isSupported(distribution(osRelease(id, version)));
    expect([of("debian", "12"), of("debian", "13"), of("ubuntu", "24.04")]).toEqual([true, true, true]);
    expect([of("debian", "11"), of("ubuntu", "22.04"), of("fedora", "42")]).toEqual([false, false, false]);
  });
});

describe("packagesFor", () => {
  it("leaves out packages for tests if only the lab is needed", () => {
    const lab = packagesFor("lab", "debian");
    expect(lab).toContain("qemu-system-x86");
    expect(lab).not.toContain("openssh-server");
    expect(packagesFor("test", "debian")).toEqual(Object.keys(debianPackages));
  });

  it("has no packages that the distribution lacks", () => {
    expect(packagesFor("test", "ubuntu")).not.toContain("chromium");
    expect(packagesFor("test", "debian")).toContain("chromium");
  });
});

describe("missingPackages", () => {
  it("are exactly those that this machine lacks", async () => {
    // dpkg is essential in Debian, so it is always installed; the other package does not exist.
    await expect(missingPackages(["dpkg", "no-such-package-of-debian"])).resolves.toEqual([
      "no-such-package-of-debian",
    ]);
  });
});
