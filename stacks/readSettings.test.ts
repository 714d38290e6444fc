import { roomProblems } from "./readSettings.ts";
import { topologies } from "./topology.ts";

describe("roomProblems", () => {
  it("reports how much space is missing", () => {
    const [memory, disk] = roomProblems(topologies.course, { memoryMiB: 2000, diskGiB: 1 }, "second");
    expect(memory).toContain("need 4608 MiB of memory and 2000 MiB are free here: 2608 MiB are missing");
    expect(memory).toMatch(/, or run: \.\/lab up --stack second -c topology=single$/);
    expect(disk).toContain("5 GiB are missing");
  });

  it("reports nothing if there is enough space", () => {
    expect(roomProblems(topologies.course, { memoryMiB: 8000, diskGiB: 50 }, "local")).toEqual([]);
  });
});
