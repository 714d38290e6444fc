import { userData } from "../../stacks/aws/machine/userData.ts";
import { violations } from "../testing.ts";
import { noSecretInUserData } from "./noSecretInUserData.ts";

const type = "aws:ec2/instance:Instance";
const passing = {
  // The real user data of a machine.
  userData: userData({
    name: "node1",
    kernel: "debian-13",
    region: "eu-central-1",
    publicKey: "ssh-ed25519 AAAA disgrafs-lab",
    expiresInSeconds: 14_400,
    sessionManager: true,
  }),
};

describe("no-secret-in-user-data", () => {
  it("accepts a correct one", async () => {
    expect(await violations(noSecretInUserData, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "a private key",
      { userData: "-----BEGIN OPENSSH PRIVATE KEY-----" },
      "has a private key in its user data: send it to the machine after boot, over SSH",
    ],
    [
      "an access key",
      { userData: "AKIAIOSFODNN7EXAMPLE" },
      "has an access key in its user data: send it to the machine after boot, over SSH",
    ],
    [
      "a password",
      { userData: "requirepass: x\nREDIS_PASSWORD=hunter2" },
      "has a password in its user data: send it to the machine after boot, over SSH",
    ],
    [
      "a private key in base64",
      { userDataBase64: Buffer.from("BEGIN RSA PRIVATE KEY").toString("base64") },
      "has a private key in its user data: send it to the machine after boot, over SSH",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(noSecretInUserData, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(noSecretInUserData, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
