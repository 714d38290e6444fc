/** A bake on a disk that is too small, and on one that fills up. */
import { SmallDisk } from "../../tests/support/smallDisk.ts";

const minutes = (count: number): number => count * 60_000;

describe("baking an image", () => {
  let disk: SmallDisk;
  beforeAll(() => {
    disk = new SmallDisk();
  });
  afterEach(() => disk.unmount());
  afterAll(() => disk.remove());

  it(
    "reports how much space is missing before it begins",
    async () => {
      disk.mount(100);
      const { exitCode, stderr } = await disk.bake();
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(
        /baking an image needs 5 GiB of free space in .*, which has 0\.1 GiB\. Free 4\.9 GiB/,
      );
      expect(disk.images()).toEqual([]);
    },
    minutes(2),
  );

  it(
    "leaves nothing incomplete if the disk fills up",
    async () => {
      disk.mount(6400);
      const { exitCode, stderr } = await disk.bakeUntilFull();
      expect(exitCode).toBe(1);
      expect(stderr).toContain("the image for debian-13 could not be baked");
      expect(disk.images()).toEqual([]);
    },
    minutes(20),
  );
});
