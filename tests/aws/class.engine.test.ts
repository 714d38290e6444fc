/** A class of two on moto: one lab fails for lack of quota and is created at the second attempt; both are listed and removed. */
import * as ec2 from "@aws-sdk/client-ec2";
import { execa } from "execa";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { downFor, forEachStudent, upFor, type Place } from "../../cli/classroom.ts";
import { parseStudents, type Student } from "../../cli/students.ts";
import { checkout } from "../../workshop/checkout.ts";
import { Cloud } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const students = parseStudents("id,name\nada,Ada\nbob,Bob\n");
const nodes = [{ name: "node1", roles: ["meta", "objects", "client", "ray-head"] }];
const aws = (owner: string) => ({ region: "us-east-1", owner, sshCidr: "203.0.113.7/32" });

let cloud: Cloud;
let lab: LabProject;
let place: Place;
let empty: string[];

beforeAll(async () => {
  cloud = await Cloud.start();
  lab = new LabProject(cloud);
  empty = await cloud.listing();
  place = { project: lab.folder, env: lab.env, folder: mkdtempSync(join(tmpdir(), "class-")) };
}, 5 * minutes);
afterAll(async () => {
  await cloud.stop();
  lab.remove();
  rmSync(place.folder, { recursive: true });
}, minutes);

const up = async (student: Student): Promise<void> => {
  await upFor(place, student, {
    "disgrafs-lab:aws": { value: JSON.stringify(aws(student.contact)) },
    "disgrafs-lab:nodes": { value: JSON.stringify(nodes) },
  });
};

async function instanceOf(client: ec2.EC2Client, name: string): Promise<string> {
  const Filters = [{ Name: "tag:Name", Values: [name] }];
  const { Reservations = [] } = await client.send(new ec2.DescribeInstancesCommand({ Filters }));
  return Reservations[0]?.Instances?.[0]?.InstanceId ?? "?";
}

describe("a class", () => {
  it(
    "lists the failed students with advice, and creates the others' labs",
    async () => {
      cloud.faults.push({
        action: "RunInstances",
        code: "VcpuLimitExceeded",
        message: "no more",
        status: 400,
        times: 1,
      });
      const outcomes = await forEachStudent(students, 1, up);
      expect(outcomes.map(({ failure }) => failure?.slice(0, 18))).toEqual(["VcpuLimitExceeded:", undefined]);
    },
    6 * minutes,
  );

  it(
    "creates the missing lab at the next attempt, and gives each student a sheet and a key",
    async () => {
      expect((await forEachStudent(students, 2, up)).map(({ failure }) => failure)).toEqual([
        undefined,
        undefined,
      ]);
      const read = (id: string, file: string) => readFileSync(join(place.folder, id, file), "utf8");
      expect(read("ada", "sheet.md")).toMatch(/# Lab of Ada[\s\S]*ssh -F config node1[\s\S]*USD an hour/);
      expect(read("ada", "key")).not.toBe(read("bob", "key"));
      expect(statSync(join(place.folder, "ada", "key")).mode & 0o077).toBe(0);
      // ssh reads the configuration from the sheet's own folder.
      const parsed = execFileSync("ssh", ["-G", "-F", "config", "node1"], {
        cwd: join(place.folder, "ada"),
        encoding: "utf8",
      });
      expect(parsed).toMatch(/^identityfile key$/m);
      expect(parsed).toMatch(/^hostname 127\.77\./m);
    },
    6 * minutes,
  );

  it(
    "is listed with EC2's current state of each machine",
    async () => {
      const list = join(place.folder, "list.csv");
      writeFileSync(list, "id,name\nada,Ada\nbob,Bob\ncyd,Cyd\n");
      const status = async (): Promise<string[][]> => {
        const args = ["class", "--students", list, "--status", "--settings", "class-ada"];
        const command = [join(checkout, "cli/main.ts"), ...args];
        const { stdout } = await execa(process.execPath, command, { env: lab.env, timeout: 3 * minutes });
        const words = stdout.split("\n").map((line) => line.split(/ +/));
        return words.map(([id = "", state = "", running = ""]) => [id, state, running]);
      };
      expect((await status())[1]).toEqual(["ada", "up", "1/1"]);
      const client = new ec2.EC2Client({
        endpoint: cloud.env.AWS_ENDPOINT_URL,
        region: "us-east-1",
        credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
      });
      const InstanceIds = [await instanceOf(client, "class-ada-node1")];
      await client.send(new ec2.StopInstancesCommand({ InstanceIds }));
      expect((await status())[1]).toEqual(["ada", "broken", "0/1"]);
      await client.send(new ec2.StartInstancesCommand({ InstanceIds }));
      // The first call, about ada's machine, is refused.
      const fault = { code: "UnauthorizedOperation", message: "no", status: 403, times: 1 };
      cloud.faults.push({ action: "DescribeInstanceStatus", ...fault });
      expect(await status()).toEqual([
        ["STUDENT", "STATE", "RUNNING"],
        ["ada", "lost", "0/1"],
        ["bob", "up", "1/1"],
        ["cyd", "none", ""],
        ["1", "of", "3"],
      ]);
    },
    6 * minutes,
  );

  it(
    "is removed completely",
    async () => {
      const outcomes = await forEachStudent(students, 2, (student) => downFor(place, student));
      expect(outcomes.map(({ failure }) => failure)).toEqual([undefined, undefined]);
      expect(existsSync(join(place.folder, "ada"))).toBe(false);
      expect(await cloud.listing()).toEqual(empty);
      // Again: it is not a failure if there is nothing to do.
      expect(
        (await forEachStudent(students, 2, (student) => downFor(place, student)))[0]?.failure,
      ).toBeUndefined();
    },
    6 * minutes,
  );
});
