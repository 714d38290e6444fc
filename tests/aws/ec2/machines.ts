/** Local VMs behind the instances of a test's cloud: started by RunInstances, ended by TerminateInstances. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { GetInstanceProfileCommand, IAMClient } from "@aws-sdk/client-iam";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { chooseAccelerator, type Accelerator } from "../../../workshop/accelerator.ts";
import type { Image } from "../../../workshop/image/image.ts";
import type { Machines, MachinesPlace, RunRequest } from "../cloud.ts";
import { loopbackAddress } from "../provider/loopback.ts";
import { ensureEc2Image, type Ec2Image } from "./image.ts";
import { LocalInstance } from "./instance.ts";
import { S3Front } from "./s3.ts";

export class LocalMachines implements Machines {
  readonly s3: S3Front;
  readonly #running = new Map<string, LocalInstance>();
  readonly #place: MachinesPlace;
  readonly #image: Image;
  readonly #accelerator: Accelerator;
  readonly #wayOut: boolean;
  readonly #folder: string;

  private constructor(
    place: MachinesPlace,
    s3: S3Front,
    image: Image,
    accelerator: Accelerator,
    wayOut: boolean,
  ) {
    this.#place = place;
    this.s3 = s3;
    this.#image = image;
    this.#accelerator = accelerator;
    this.#wayOut = wayOut;
    this.#folder = mkdtempSync(join(place.folder, "machines-"));
  }

  /** @param kind of the machines' image; with a bare one, they can reach the package registries */
  static async make(place: MachinesPlace, kind: Ec2Image): Promise<LocalMachines> {
    const say = (line: string): void => {
      process.stderr.write(`${line}\n`);
    };
    const image = await ensureEc2Image(kind, say);
    const accelerator = await chooseAccelerator(image, say);
    const s3 = await S3Front.start(place.motoPort, place.region);
    return new LocalMachines(place, s3, image, accelerator, kind === "bare");
  }

  async start({ id, privateAddress, type, image, profile, userData }: RunRequest): Promise<void> {
    const { endpoint, region, credentials } = this.#place;
    const client = { endpoint, region, credentials };
    const { Buckets = [] } = await new S3Client({ ...client, forcePathStyle: true }).send(
      new ListBucketsCommand({}),
    );
    const identities = new IAMClient(client);
    const { InstanceProfile } = await identities.send(
      new GetInstanceProfileCommand({ InstanceProfileName: profile }),
    );
    const digits = createHash("sha256").update(id).digest("hex");
    const instance = await LocalInstance.start({
      ...{ id, type, image, region, privateAddress, userData },
      mac: `02:${digits.slice(0, 10).replaceAll(/(..)(?=.)/g, "$1:")}`,
      role: InstanceProfile?.Roles?.[0]?.RoleName ?? "",
      folder: join(this.#folder, id),
      disk: this.#image,
      accelerator: this.#accelerator,
      publicAddress: loopbackAddress(id),
      buckets: Buckets.map(({ Name }) => Name ?? ""),
      s3: this.s3,
      wayOut: this.#wayOut,
    });
    this.#running.set(id, instance);
    // A machine that powers itself off is terminated: RunInstances requested that, which the test checks.
    void instance.ended.then(async () => {
      if (this.#running.delete(id)) await this.#place.ended(id);
    });
  }

  async stop(id: string): Promise<void> {
    const instance = this.#running.get(id);
    this.#running.delete(id);
    await instance?.stop();
  }

  console(id: string): string {
    return this.#running.get(id)?.console ?? "";
  }

  /** Ids of the running machines. */
  get ids(): string[] {
    return [...this.#running.keys()];
  }

  instance(id: string): LocalInstance {
    const found = this.#running.get(id);
    if (!found) throw new Error(`${id} does not run`);
    return found;
  }

  async close(): Promise<void> {
    for (const id of this.ids) await this.stop(id);
    this.s3.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
