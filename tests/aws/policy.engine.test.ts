/** The policy pack in the engine: it accepts a lab, and refuses a careless program before anything is created. */
import { Cloud } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const pack = new URL("../../policy/analyzer", import.meta.url).pathname;
const settings = {
  aws: { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32", spot: true },
  nodes: [{ name: "node1", roles: ["meta", "objects", "client", "ray-head"] }],
};
let cloud: Cloud;
beforeAll(async () => {
  cloud = await Cloud.start();
}, 5 * minutes);
afterAll(async () => {
  await cloud.stop();
}, minutes);

it(
  "accepts a lab on AWS",
  async () => {
    const lab = new LabProject(cloud);
    try {
      await lab.configure("policy", settings);
      expect(await lab.up("--policy-pack", pack)).toMatch(/✅ disgrafs-aws/);
      await lab.destroy();
    } finally {
      lab.remove();
    }
  },
  6 * minutes,
);

it(
  "refuses a program that opens SSH to everybody and has no tags, before anything is created",
  async () => {
    const lab = new LabProject(cloud, "tests/aws/program/careless.ts");
    try {
      await lab.configure("careless", settings);
      cloud.calls.length = 0;
      const { exitCode, text } = await lab.pulumi("up", "--yes", "--policy-pack", pack);
      expect(exitCode).not.toBe(0);
      expect(text).toContain("allows ingress from 0.0.0.0/0: name the address that you connect from");
      expect(text).toContain("lacks the tags disgrafs:project, disgrafs:stack");
      expect(cloud.calls).toEqual([]);
    } finally {
      lab.remove();
    }
  },
  4 * minutes,
);
