/** A bake after one that failed on a full disk. */
import { SmallDisk } from "../../tests/support/smallDisk.ts";

const minutes = (count: number): number => count * 60_000;

describe("baking an image", () => {
  it(
    "succeeds once a disk that was full has space again",
    async () => {
      const disk = new SmallDisk();
      disk.mount(6400);
      try {
        expect((await disk.bakeUntilFull()).exitCode).toBe(1);
        disk.free();
        const { exitCode, stdout, stderr } = await disk.bake();
        expect(exitCode === 0 ? "" : stderr).toBe("");
        expect(JSON.parse(stdout)).toMatchObject({ release: expect.stringMatching(/^6\.12\./) as string });
      } finally {
        disk.unmount();
        disk.remove();
      }
    },
    minutes(30),
  );
});
