import { violations } from "../testing.ts";
import { rootEncrypted } from "./rootEncrypted.ts";

const type = "aws:ec2/instance:Instance";
const passing = { rootBlockDevice: { encrypted: true, volumeType: "gp3" } };

describe("root-encrypted", () => {
  it("accepts a correct one", async () => {
    expect(await violations(rootEncrypted, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "an unencrypted volume",
      { rootBlockDevice: { encrypted: false, volumeType: "gp3" } },
      "has an unencrypted root volume: set rootBlockDevice.encrypted to true",
    ],
    [
      "a volume without the setting",
      { rootBlockDevice: { volumeType: "gp3" } },
      "has an unencrypted root volume: set rootBlockDevice.encrypted to true",
    ],
    [
      "gp2",
      { rootBlockDevice: { encrypted: true, volumeType: "gp2" } },
      "has a root volume of an older type: set rootBlockDevice.volumeType to gp3",
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
