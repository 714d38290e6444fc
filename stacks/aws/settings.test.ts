import fc from "fast-check";
import { z } from "zod";
import { awsSettings, durationSeconds, sshCidrFault } from "./settings.ts";

const minimal = { region: "eu-central-1", owner: "ada@example.org", sshCidr: "203.0.113.7/32" };

const message = (value: unknown): string => {
  const result = awsSettings.safeParse(value);
  return result.success ? "" : z.prettifyError(result.error);
};

describe("awsSettings", () => {
  it("has defaults for everything but region, owner and sshCidr", () => {
    expect(awsSettings.parse(minimal)).toEqual({
      ...minimal,
      access: "ssh",
      address: "public",
      instanceTypes: {
        meta: "m6i.large",
        client: "m6id.large",
        "ray-head": "m6i.large",
        "ray-worker": "m6i.large",
      },
      spot: false,
      placementGroup: true,
      rootGiB: 30,
      expiresAfter: "4h",
      keepData: false,
    });
  });

  it("keeps the other defaults if one instance type is given", () => {
    expect(awsSettings.parse({ ...minimal, instanceTypes: { client: "i4i.xlarge" } }).instanceTypes).toEqual({
      meta: "m6i.large",
      client: "i4i.xlarge",
      "ray-head": "m6i.large",
      "ray-worker": "m6i.large",
    });
  });

  it.each<[string, object, RegExp]>([
    ["a missing sshCidr", { sshCidr: undefined }, /required for SSH and has no default[\s\S]*at sshCidr/],
    ["everybody by IPv4", { sshCidr: "0.0.0.0/0" }, /whole Internet[\s\S]*at sshCidr/],
    ["everybody by IPv6", { sshCidr: "::/0" }, /IPv6[\s\S]*at sshCidr/],
    ["half of the Internet", { sshCidr: "0.0.0.0/1" }, /whole Internet/],
    ["everybody, written as a host", { sshCidr: "203.0.113.7/0" }, /whole Internet/],
    ["a host inside a range", { sshCidr: "203.0.113.7/24" }, /write 203\.0\.113\.0\/24/],
    ["an address without prefix", { sshCidr: "203.0.113.7" }, /must be an IPv4 address range/],
    ["an impossible address", { sshCidr: "203.0.113.256/32" }, /must be an IPv4 address range/],
    ["sshCidr beside Session Manager", { access: "session-manager" }, /remove one of the two/],
    ["an unknown key", { sshcidr: "203.0.113.7/32" }, /Unrecognized key: "sshcidr"/],
    ["a region that is none", { region: "frankfurt" }, /must be an AWS region[\s\S]*at region/],
    ["a missing owner", { owner: undefined }, /at owner/],
    ["an owner that no tag should hold", { owner: "<script>" }, /name or address/],
    ["a short account number", { accountId: "1234" }, /12 digits/],
    ["an arm64 type", { instanceTypes: { client: "m7gd.large" } }, /arm64[\s\S]*at instanceTypes\.client/],
    [
      "a type before Nitro",
      { instanceTypes: { meta: "m4.large" } },
      /before Nitro[\s\S]*at instanceTypes\.meta/,
    ],
    ["a type that is none", { instanceTypes: { meta: "large" } }, /must be an EC2 instance type/],
    ["a role that has no size", { instanceTypes: { objects: "m6i.large" } }, /Unrecognized key: "objects"/],
    [
      "a burstable type in a placement group",
      { instanceTypes: { meta: "t3.large" } },
      /burstable[\s\S]*placementGroup: false/,
    ],
    ["a network without subnet", { network: { vpcId: "vpc-0123456789abcdef0" } }, /at network\.subnetId/],
    [
      "a subnet id of another kind",
      { network: { vpcId: "vpc-0123456789abcdef0", subnetId: "vpc-0123456789abcdef0" } },
      /subnet-/,
    ],
    ["private addresses in an own network", { address: "private" }, /needs `network`/],
    ["a zone of another region", { availabilityZone: "us-east-1a" }, /is not in eu-central-1/],
    ["a region as zone", { availabilityZone: "eu-central-1" }, /zone of the region/],
    ["an image id that is none", { image: "debian-13" }, /starts with ami-/],
    ["an expiry without unit", { expiresAfter: "4" }, /90m, 4h or 2d[\s\S]*at expiresAfter/],
    ["an expiry that is too soon", { expiresAfter: "5m" }, /between 15m and 14d/],
    ["an expiry that is too late", { expiresAfter: "30d" }, /between 15m and 14d/],
    ["a root volume that holds no system", { rootGiB: 4 }, /at rootGiB/],
    ["half a gibibyte", { rootGiB: 30.5 }, /at rootGiB/],
    ["a cost of nothing", { maxHourlyCost: 0 }, /at maxHourlyCost/],
    ["a cost in words", { maxHourlyCost: "1 USD" }, /at maxHourlyCost/],
    ["keepData in words", { keepData: "no" }, /at keepData/],
    ["spot in words", { spot: "yes" }, /at spot/],
    ["placementGroup in words", { placementGroup: "yes" }, /at placementGroup/],
    ["a way in that is none", { access: "telnet" }, /at access/],
    ["an empty profile", { profile: "" }, /at profile/],
  ])("refuses %s", (_, change, expected) => {
    expect(message({ ...minimal, ...change })).toMatch(expected);
  });

  const ofType = (type: string): string =>
    message({ ...minimal, placementGroup: false, instanceTypes: { meta: type } });

  it.each(
    "m6i.large c5d.9xlarge c7i-flex.large r6id.metal g4dn.xlarge g5.xlarge p4d.24xlarge x2iedn.xlarge i3en.large d3.xlarge t3.micro trn1.2xlarge".split(
      " ",
    ),
  )("accepts the type %s", (type) => {
    expect(ofType(type)).toBe("");
  });

  it.each("t4g.micro m7gd.large c6gn.large x2gd.large im4gn.large is4gen.large hpc7g.4xlarge".split(" "))(
    "refuses %s because it is arm64",
    (type) => {
      expect(ofType(type)).toMatch(/arm64/);
    },
  );

  it.each("t1 t2 m1 m2 m3 m4 c1 c3 c4 cc2 cr1 r3 r4 i2 i3 d2 h1 x1 x1e g2 g3 g3s p2 p3 f1 hs1".split(" "))(
    "refuses %s because its family is older than Nitro",
    (family) => {
      expect(ofType(`${family}.large`)).toMatch(/before Nitro/);
      // Newer families with a similar name.
      expect(ofType(`z${family}.large`)).not.toMatch(/before Nitro/);
    },
  );

  it.each<[string, readonly unknown[], readonly unknown[]]>([
    ["region", ["us-gov-west-1"], ["x eu-central-1", "eu-central-12", "eu-1", "Eu-central-1"]],
    ["accountId", ["012345678901", 123456789012], ["1234567890123", "x123456789012"]],
    ["owner", ["ab", "a".repeat(64)], ["a", "a".repeat(65), " ab", "ab "]],
    ["sshCidr", ["10.0.0.0/8", "203.0.113.0/24"], ["8.0.0.0/7", "x10.0.0.0/8", "10.0.0.0/8x", "10.0/16"]],
    ["expiresAfter", ["15m", "14d", "336h"], ["14m", "15d", "337h", "x4h", "4hx", "00000004h"]],
    ["rootGiB", [10, 1000], [9, 1001]],
    ["maxHourlyCost", [0.01, 1000], [0, 1001]],
    ["image", ["ami-0123456789abcdef0", "ami-01234567"], ["ami-0123", "xami-01234567", "ami-0123456789"]],
  ])("accepts %s up to its limits, and nothing beyond", (setting, good, bad) => {
    for (const value of good) {
      const region = setting === "region" ? {} : { region: "eu-central-1" };
      expect(message({ ...minimal, ...region, [setting]: value })).toBe("");
    }
    for (const value of bad) expect(message({ ...minimal, [setting]: value })).toMatch(`at ${setting}`);
    const size = { instanceTypes: { meta: "m6i.large " } };
    expect(message({ ...minimal, ...size })).toMatch(/must be an EC2 instance type/);
  });

  it("accepts only a zone of the region, and names the setting at fault", () => {
    for (const [region, zone] of [
      ["eu-central-1", "eu-central-1b"],
      ["us-gov-west-1", "us-gov-west-1a"],
    ] as const)
      expect(message({ ...minimal, region, availabilityZone: zone })).toBe("");
    for (const zone of ["x eu-central-1a", "eu-central-1aa", "e-central-1a", "eu-central-a", "us-east-1a"])
      expect(message({ ...minimal, availabilityZone: zone })).toMatch("at availabilityZone");
    const network = { vpcId: "vpc-01234567", subnetId: "subnet-01234567" };
    expect(message({ ...minimal, network, availabilityZone: "eu-central-1a" })).toMatch(
      "at availabilityZone",
    );
    expect(message({ ...minimal, address: "private" })).toMatch("at address");
    expect(message({ ...minimal, access: "session-manager" })).toMatch("at sshCidr");
    expect(message({ ...minimal, instanceTypes: { client: "t3.large" } })).toMatch("at instanceTypes.client");
  });

  it("describes each setting whose name and values are not self-explanatory", () => {
    const described = Object.entries(awsSettings.shape).flatMap(([name, type]) =>
      (type as { description?: string }).description ? [] : [name],
    );
    expect(described).toEqual(["region", "instanceTypes"]);
  });

  it("accepts burstable types without a placement group", () => {
    expect(message({ ...minimal, placementGroup: false, instanceTypes: { meta: "t3.large" } })).toBe("");
  });

  it("accepts an existing network and private addresses", () => {
    const network = { vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" };
    expect(message({ ...minimal, network, address: "private" })).toBe("");
    expect(message({ ...minimal, network, availabilityZone: "eu-central-1a" })).toMatch(
      /determined by the existing subnet/,
    );
  });

  it("needs no sshCidr with Session Manager", () => {
    expect(message({ region: "eu-central-1", owner: "ada", access: "session-manager" })).toBe("");
  });
});

describe("sshCidrFault", () => {
  it("accepts every single host, and for a host with a wrong prefix names the right range", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(octet, octet, octet, octet, fc.integer({ min: 8, max: 32 }), (a, b, c, d, prefix) => {
        const host = [a, b, c, d].join(".");
        expect(sshCidrFault(`${host}/32`)).toBeUndefined();
        const named = /write (\S+),/.exec(sshCidrFault(`${host}/${prefix}`) ?? "")?.[1];
        if (named !== undefined) expect(sshCidrFault(named)).toBeUndefined();
      }),
    );
  });
});

describe("durationSeconds", () => {
  it("reads minutes, hours and days", () => {
    expect([durationSeconds("90m"), durationSeconds("4h"), durationSeconds("2d")]).toEqual([
      5400, 14_400, 172_800,
    ]);
  });
  it("refuses anything else", () => {
    expect(() => durationSeconds("4 hours")).toThrow('"4 hours" is not a duration');
  });
});

describe("a number where text is wanted", () => {
  it("is read as the typed text for an account and an owner", () => {
    const settings = awsSettings.parse({ ...minimal, accountId: 123456789012, owner: 4711 });
    expect(settings).toMatchObject({ accountId: "123456789012", owner: "4711" });
  });
  it("is refused if digits were lost, with advice to keep them", () => {
    const { error } = awsSettings.safeParse({ ...minimal, accountId: 12345678901 });
    expect(error?.issues[0]?.message).toMatch(/12 digits; if it begins with 0, .* --type string/);
  });
});
