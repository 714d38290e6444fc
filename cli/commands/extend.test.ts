import { extension } from "./extend.ts";

const lab = { stack: "paper", created: "2026-11-25T18:00:00Z", expires: "2026-11-25T22:00:00Z" };
const now = new Date("2026-11-25T20:30:30Z");

describe("extension", () => {
  it("is the time from the stack's beginning to the requested time from now, in whole minutes", () => {
    expect(extension({ ...lab, time: "4h", now })).toEqual({
      expiresAfter: "391m",
      expires: "2026-11-26T00:31:00.000Z",
    });
  });
  it("never ends a lab sooner", () => {
    expect(() => extension({ ...lab, time: "30m", now })).toThrow(/already expires at 2026-11-25T22:00:00Z/);
  });
  it("is refused for an expired lab", () => {
    expect(() => extension({ ...lab, time: "4h", now: new Date("2026-11-25T22:00:00Z") })).toThrow(
      /expired at .* are terminated; .*: \.\/lab down --stack paper, then \.\/lab up --stack paper$/,
    );
  });
  it("limits a lab to two weeks", () => {
    expect(() => extension({ ...lab, time: "14d", now })).toThrow(
      /15 days after this lab began; the limit is 14/,
    );
  });
  it("refuses a text that is not a duration", () => {
    expect(() => extension({ ...lab, time: "soon", now })).toThrow(
      /"soon" is not a duration: write 90m, 4h or 2d/,
    );
  });
});
