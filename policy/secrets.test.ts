import { gzipSync } from "node:zlib";
import { secretIn, unpackedUserData } from "./secrets.ts";
import { userData } from "../stacks/aws/machine/userData.ts";
import { kernelNames } from "../provisioning/kernels.ts";

// Put together here, so that nobody who looks for secrets in this repository finds one.
const github = `ghp_${"a1B2".repeat(9)}`;
const jwt = `eyJ${"hbGciOiJI".repeat(2)}.eyJ${"zdWIiOiIx".repeat(2)}.${"c2lnbmF0".repeat(3)}`;
const random = "q8Zr3TnV0xLw7KfYb2Hs9MdPe5Gu";

describe("a secret", () => {
  it.each([
    ["requirepass WORD of Redis", "port 6379\nrequirepass hunter22\n", "a password"],
    ["a password in a URL", "juicefs format redis://:pw12@10.0.0.1/1 x\n", "a password"],
    ["a password in a setting", "export DB_PASSWORD='hunter22'\n", "a password"],
    ["a password in YAML", "users:\n  - {name: a, password: hunter22}\n", "a password"],
    ["chpasswd's list", "chpasswd:\n  list: |\n    root:hunter22\n", "a password"],
    ["a pipe to chpasswd", "echo root:hunter22 | chpasswd\n", "a password"],
    ["a password's hash", "passwd: $6$rounds$abcdefghij\n", "a password's hash"],
    ["GitHub's token", `curl -H 'X: ${github}'\n`, "a token"],
    ["a web token", `login ${jwt}\n`, "a token"],
    ["a token without a known shape", `login --with ${random}\n`, "something like a token"],
  ])("%s is found", (_, text, kind) => {
    expect(secretIn(text)).toBe(kind);
    expect(secretIn(unpackedUserData(gzipSync(text).toString("base64"), true))).toBe(kind);
    const packed = `write_files:\n- {encoding: gz+b64, path: /x, content: ${gzipSync(text).toString("base64")}}\n`;
    expect(secretIn(packed)).toBe(kind);
    expect(secretIn(`content: ${Buffer.from(text).toString("base64")}\n`)).toBe(kind);
  });
});

describe("no secret", () => {
  it.each([
    ["a setting of chpasswd", "chpasswd: {expire: false}\n"],
    [
      "the ARN of one that is kept",
      "SECRET=arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis-a1B2c3\n",
    ],
    ["a password that is read from a file", "PASSWORD=$(cat /run/redis.password)\n"],
    ["a variable", 'export REDIS_PASSWORD="$word" TOKEN=${TOKEN}\n'],
    ["the place of one", "passwordFile: /run/redis.password\nsecret: /run/x\n"],
    ["a login without a password", "lock_passwd: true\nsudo: ALL=(ALL) NOPASSWD:ALL\nssh_pwauth: false\n"],
    ["a hash that software is checked by", `redis==7.1.0 --hash=sha256:${"0a1b2c3d".repeat(8)}\n`],
    ["a URL with a user", "git clone https://git@example.org/x.git http://proxy:3128/\n"],
    ["a public key", `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${random}${random} a@b\n`],
  ])("is %s", (_, text) => {
    expect(secretIn(text)).toBeUndefined();
  });
  it.each([...kernelNames])("is in what the lab gives to a machine of %s", (kernel) => {
    const text = userData({
      name: "node1",
      kernel,
      region: "eu-central-1",
      publicKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${random} disgrafs-lab`,
      expiresInSeconds: 14_400,
      sessionManager: true,
    });
    expect(secretIn(text)).toBeUndefined();
  });
});
