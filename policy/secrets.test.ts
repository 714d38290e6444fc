import { gzipSync } from "node:zlib";
import { secretIn, unpackedUserData } from "./secrets.ts";
import { userData } from "../stacks/aws/machine/userData.ts";
import { kernelNames } from "../provisioning/kernels.ts";

// Assembled at run time, so that secret scanners do not report this file.
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

describe("a secret's shape", () => {
  const letters = (count: number): string => "aB3".repeat(count).slice(0, count);
  /** Each in its shortest form. Without its last letter, it must not match. */
  it.each([
    ["a token", `ghp_${letters(30)}`],
    ["a token", `ghs_${letters(30)}`],
    ["a token", `github_pat_${letters(30)}`],
    ["a token", `glpat-${letters(9)}-_${letters(9)}`],
    ["a token", `xoxb-${letters(5)}-${letters(4)}`],
    ["a token", `xoxp-${letters(10)}`],
    ["a token", `sk_live_${letters(16)}`],
    ["a token", `rk_live_${letters(16)}`],
    ["a token", `AIza${letters(17)}-_${letters(16)}`],
    ["a token", `hf_${letters(30)}`],
    ["a token", `eyJ${letters(8)}.eyJ${letters(4)}-_${letters(2)}.a`],
    ["an access key", `AKIA${"A1".repeat(8)}`],
    ["an access key", `ASIA${"A1".repeat(8)}`],
    ["a password's hash", "$1$abcdefgh"],
    ["a password's hash", "$2y$10$abcde"],
    ["a password's hash", "$y$j9T$./ab"],
    ["a private key", "BEGIN PRIVATE KEY"],
    ["a private key", "BEGIN OPENSSH PRIVATE KEY"],
  ])("is known: %s, %s", (kind, word) => {
    expect(secretIn(`x ${word}\n`)).toBe(kind);
    expect(secretIn(`x ${word.slice(0, -1)}\n`)).not.toBe(kind);
  });

  it.each(["hunter22", "'hunter22'", '"hunter22", x'])("is a password in a setting: %s", (value) => {
    for (const name of [
      "password",
      "DB_PASSWD",
      "passphrase",
      "my-secret",
      "token",
      "api_key",
      "apikey",
      "accesskey",
    ])
      for (const sign of [": ", "=", " : ", '"  = '])
        expect(secretIn(`${name}${sign}${value}\n`)).toBe("a password");
    for (const line of [
      "requirepass ",
      "  - requirepass ",
      "--requirepass ",
      "masterauth: ",
      "requirepass=  ",
    ])
      expect(secretIn(`port 1\n${line}${value}\n`)).toBe("a password");
  });

  it.each([
    "https://ada:pw12@host",
    "redis+tls://:pw12@host/1",
    "x s3.a-b://u:pw12@h",
    "echo root:pw12 | chpasswd",
    "echo  'a.b-c:pw12'  |  sudo  chpasswd",
    'echo "root:pw12"|chpasswd',
    "chpasswd: {list: 'root:pw12'}",
    "chpasswd: {expire: false, list: root:pw12}",
    "chpasswd:\n  list: |-\n    root:pw12\n",
    "chpasswd:\n  list: >\n    a.b:pw12\n",
  ])("is a password in %s", (text) => {
    expect(secretIn(`${text}\n`)).toBe("a password");
  });

  it("is a long random word of mixed character classes, also in a path", () => {
    expect(secretIn(`x a/${random}/b\n`)).toBe("something like a token");
    expect(secretIn(`x ${random.slice(0, 20)}\n`)).toBe("something like a token");
    for (const word of [
      random.slice(0, 19),
      random.toLowerCase(),
      random.toUpperCase(),
      random.replaceAll(/\d/g, "x"),
      "aB3".repeat(9),
      `${random.slice(0, 12)}-${random.slice(12, 24)}`,
    ])
      expect(secretIn(`x ${word}\n`)).toBeUndefined();
  });

  it("is found under three layers of base64; with more, the whole text looks like a token", () => {
    const wrap = (text: string, times: number): string =>
      times === 0 ? text : wrap(Buffer.from(`content: ${text}\n`).toString("base64"), times - 1);
    expect(secretIn(wrap("password=hunter22", 3))).toBe("a password");
    // Deeper layers are not unpacked, but the text then looks like a token itself.
    expect(secretIn(wrap("password=hunter22", 4))).toBe("something like a token");
  });

  it("is not searched for in broken gzip data, or in data that unpacks to more than a mebibyte", () => {
    const broken = Buffer.from([0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(unpackedUserData(broken.toString("base64"), true)).toBe("");
    expect(unpackedUserData(gzipSync(Buffer.alloc((1 << 20) + 1)).toString("base64"), true)).toBe("");
    expect(unpackedUserData(gzipSync("plain").toString("latin1"), false)).toBe("plain");
    expect(unpackedUserData("pläin", false)).toBe("pläin");
    expect(unpackedUserData(Buffer.from("pläin").toString("base64"), true)).toBe("pläin");
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
    ["a hash that verifies software", `redis==7.1.0 --hash=sha256:${"0a1b2c3d".repeat(8)}\n`],
    ...["{a: 1}", "[a]", "|", ">", "&x", "*x", "!vault", "# none", "<word>", "%s", "`pw`"].map(
      (value): [string, string] => [`a placeholder: ${value}`, `password: ${value}\n`],
    ),
    ...["~/pw", "./pw", "file:pw", "http://h/pw", "https://h/pw"].map((value): [string, string] => [
      `where one is kept: ${value}`,
      `password: ${value}\n`,
    ]),
    ...["true", "No", "off", "null", "none", "7", "900"].map((value): [string, string] => [
      `whether there is one: ${value}`,
      `password: ${value}\n`,
    ]),
    ["a certificate", `-----BEGIN CERTIFICATE-----\n${random}\n${random}\n-----END CERTIFICATE-----\n`],
    ...["ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com", "sha512-", "sha256:", "sha384="].map(
      (kind): [string, string] => [`a public ${kind}`, `${kind} ${random}\n`],
    ),
    ["a URL with a user", "git clone https://git@example.org/x.git http://proxy:3128/\n"],
    ["a public key", `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${random}${random} a@b\n`],
  ])("is %s", (_, text) => {
    expect(secretIn(text)).toBeUndefined();
  });
  it.each([
    ["a number of four digits", "password: 1234\n"],
    ["a word that begins like a switch", "password: offside\n"],
    ["a URL with one in it", "password: https://a:b@h\n"],
    ["a random word after a certificate", `BEGIN CERTIFICATE\n${random}\nEND CERTIFICATE\nx ${random}\n`],
    ["a word two words after a public key's kind", `ssh-rsa x ${random}\n`],
  ])("is not: %s", (_, text) => {
    expect(secretIn(text)).toBeDefined();
  });
  it.each([...kernelNames])("is in the user data of a machine with %s", (kernel) => {
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
