import { violations } from "../testing.ts";
import { rootEncrypted } from "./rootEncrypted.ts";

const type = "aws:ec2/instance:Instance";
const passing = { rootBlockDevice: { encrypted: true, volumeType: "gp3" } };

describe("root-encrypted", () => {
  it("lets a right one pass", async () => {
    expect(await violations(rootEncrypted, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "a volume in the clear",
      { rootBlockDevice: { encrypted: false, volumeType: "gp3" } },
      "keeps its root volume in the clear: set rootBlockDevice.encrypted to true",
    ],
    [
      "encryption that nobody asked for",
      { rootBlockDevice: { volumeType: "gp3" } },
      "keeps its root volume in the clear: set rootBlockDevice.encrypted to true",
    ],
    [
      "gp2",
      { rootBlockDevice: { encrypted: true, volumeType: "gp2" } },
      "has a root volume of an older kind: set rootBlockDevice.volumeType to gp3",
    ],
    [
      "a volume that stays",
      { rootBlockDevice: { encrypted: true, volumeType: "gp3", deleteOnTermination: false } },
      "leaves its root volume behind: remove rootBlockDevice.deleteOnTermination",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(rootEncrypted, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(rootEncrypted, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
