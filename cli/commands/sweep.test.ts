import { ownersOf } from "./sweep.ts";

describe("whose labs ./lab sweep --aws is for", () => {
  const none = { owner: [], everyone: false, yes: false };

  it("are those of the settings' owner", () => {
    expect(ownersOf({ ...none, yes: true }, { owner: "ada" })).toEqual(["ada"]);
  });
  it("are those of the named owners, also with --yes", () => {
    expect(ownersOf({ ...none, owner: ["bob", "eve"], yes: true }, { owner: "ada" })).toEqual(["bob", "eve"]);
  });
  it("are everyone's only on request, and never with --yes", () => {
    expect(ownersOf({ ...none, everyone: true }, { owner: "ada" })).toBe("everyone");
    expect(() => ownersOf({ ...none, everyone: true, yes: true }, { owner: "ada" })).toThrow(
      /--yes requires named owners: .* --everyone --dry-run, .* with --owner/,
    );
    expect(() => ownersOf({ ...none, everyone: true, owner: ["bob"] }, {})).toThrow(
      /either --everyone or --owner/,
    );
  });
  it("must be given if there are no settings", () => {
    expect(() => ownersOf(none, {})).toThrow(/no owner is set: .* Add --owner NAME, or --everyone/);
  });
});
