import type { Leftover } from "./leftovers.ts";
import { byOwner, inScope, select } from "./selection.ts";

const now = new Date("2026-11-25T22:00:00Z");
const over = new Date("2026-11-25T21:00:00Z");
const thing = (changes: Partial<Leftover>): Leftover => ({
  kind: "vpc",
  id: "vpc-1",
  stack: "aws",
  owner: "ada",
  run: "run-1",
  expires: over,
  keep: false,
  ...changes,
});
const ids = (all: readonly Leftover[]): string[] => all.map(({ id }) => id);

describe("select", () => {
  const mine = thing({ id: "mine" });
  const living = thing({ id: "living", expires: new Date("2026-11-25T23:00:00Z") });
  const endless = thing({ id: "endless", expires: undefined });
  const earlier = thing({ id: "earlier", run: "run-0", expires: undefined });
  const namesake = thing({ id: "namesake", owner: "eve", run: "run-9" });
  const kept = thing({ id: "kept", keep: true });
  const all = [mine, living, endless, earlier, namesake, kept];
  const base = { owners: ["ada"], now, withData: false };

  it("without a stack, selects expired labs of the named owners, and nothing without a readable end", () => {
    expect(ids(select(all, base))).toEqual(["mine"]);
  });
  it("with a run, selects everything of that run, expired or not, and nothing of another run of the same stack and owner", () => {
    expect(ids(select(all, { ...base, stack: "aws", run: "run-1" }))).toEqual(["mine", "living", "endless"]);
  });
  it("selects nothing of another owner, even with the same stack name and run id", () => {
    const twin = thing({ id: "twin", owner: "eve" });
    expect(ids(select([mine, twin], { ...base, stack: "aws", run: "run-1" }))).toEqual(["mine"]);
  });
  it("selects kept buckets only on request", () => {
    expect(ids(select(all, { ...base, withData: true }))).toEqual(["mine", "kept"]);
  });
  it("for everyone, selects expired labs of all owners, and nothing without a readable end", () => {
    expect(ids(select(all, { ...base, owners: "everyone" }))).toEqual(["mine", "namesake"]);
    expect(ids(inScope(all, { owners: "everyone", stack: "other" }))).toEqual([]);
  });
});

it("lists owners with the number of their resources, sorted by name", () => {
  expect(
    byOwner([thing({ owner: "eve", stack: "b" }), thing({}), thing({ owner: "eve", stack: "a" })]),
  ).toEqual([
    { owner: "ada", things: 1, stacks: ["aws"] },
    { owner: "eve", things: 2, stacks: ["a", "b"] },
  ]);
});
