/** One EC2 machine, with minimal network access, permissions and lifetime, and with a verified host key. */
import { fileURLToPath } from "node:url";
import * as aws from "../resources.ts";
import { local, type types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { kernels, type Kernel } from "../../../provisioning/kernels.ts";
import type { Machine, Role } from "../../../provisioning/machine.ts";
import { RemoteStep } from "../../../provisioning/remote.ts";
import { quote } from "../../../provisioning/shell.ts";
import { sshCommand, type SshHost } from "../access/sshFiles.ts";
import type { SshKey } from "../access/sshKey.ts";
import type { Tagger } from "../tags.ts";
import { installedMarker, userData } from "./userData.ts";

export interface InstanceArgs {
  /** Name in the lab, and host name. */
  readonly name: string;
  readonly roles: readonly Role[];
  readonly kernel: Kernel;
  readonly region: string;
  readonly profile: string | undefined;
  readonly image: pulumi.Input<string>;
  readonly instanceType: string;
  readonly subnetId: pulumi.Input<string>;
  readonly securityGroupId: pulumi.Input<string>;
  readonly instanceProfile: pulumi.Input<string>;
  readonly keyName: pulumi.Input<string>;
  readonly placementGroup: pulumi.Input<string> | undefined;
  readonly key: SshKey;
  readonly rootGiB: number;
  readonly spot: boolean;
  /** Whether it has a public address and is reached by it. */
  readonly publicAddress: boolean;
  /** Loopback port of a forward on this computer, if the machine is reached by Session Manager. */
  readonly forwardedPort: ((instanceId: pulumi.Output<string>) => pulumi.Output<number>) | undefined;
  readonly fuseSeconds: pulumi.Output<number>;
  /** Time of power-off, in the form 2026-11-25T18:00:00Z. */
  readonly expires: pulumi.Output<string>;
  /** Folder of a client's cache. */
  readonly cacheFolder: string;
  readonly tags: Tagger;
  /** Resources that must exist first: routes, rules, permissions. */
  readonly after: pulumi.Resource[];
}

/** First boot installs a few hundred megabytes. */
const firstBootSeconds = 1500;

export class Instance extends pulumi.ComponentResource {
  readonly machine: Machine;
  /** For the files used to log in. */
  readonly sshHost: pulumi.Output<SshHost>;

  constructor(name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:aws:Instance", name, {}, opts);
    const parent = { parent: this };
    const facts = kernels[args.kernel].aws;
    const data = pulumi.all([args.key.publicKey, args.fuseSeconds]).apply(([publicKey, expiresInSeconds]) =>
      userData({
        name: args.name,
        kernel: args.kernel,
        region: args.region,
        publicKey,
        expiresInSeconds,
        sessionManager: args.forwardedPort !== undefined,
      }),
    );
    const instance = new aws.Ec2Instance(
      name,
      {
        ami: args.image,
        instanceType: args.instanceType,
        subnetId: args.subnetId,
        vpcSecurityGroupIds: [args.securityGroupId],
        associatePublicIpAddress: args.publicAddress,
        keyName: args.keyName,
        iamInstanceProfile: args.instanceProfile,
        placementGroup: args.placementGroup,
        userData: data,
        // User data is read at first boot only, so a change must replace the machine, not restart it.
        userDataReplaceOnChange: true,
        // A machine that powers off is terminated, so an expired lab costs nothing.
        instanceInitiatedShutdownBehavior: "terminate",
        metadataOptions: {
          httpEndpoint: "enabled",
          httpTokens: "required",
          httpPutResponseHopLimit: 1,
          instanceMetadataTags: "disabled",
        },
        rootBlockDevice: {
          volumeType: "gp3",
          volumeSize: args.rootGiB,
          encrypted: true,
          deleteOnTermination: true,
          tags: args.tags(args.name),
        },
        instanceMarketOptions: args.spot
          ? {
              marketType: "spot",
              spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "terminate" },
            }
          : undefined,
        tags: args.tags(args.name),
      },
      {
        ...parent,
        dependsOn: args.after,
        customTimeouts: { create: "10m", delete: "10m" },
      },
    );

    const learned = new local.Command(
      `${name}-host-key`,
      {
        create: `${quote(process.execPath)} --disable-warning=ExperimentalWarning ${quote(fileURLToPath(new URL("../access/learnHostKey.ts", import.meta.url)))}`,
        environment: {
          DISGRAFS_INSTANCE: instance.id,
          DISGRAFS_REGION: args.region,
          ...(args.profile !== undefined && { AWS_PROFILE: args.profile }),
        },
        triggers: [instance.id],
        logging: local.Logging.Stderr,
      },
      { ...parent, deletedWith: instance, customTimeouts: { create: "27m" } },
    );
    const reach = args.forwardedPort
      ? { host: pulumi.output("127.0.0.1"), port: args.forwardedPort(instance.id) }
      : { host: args.publicAddress ? instance.publicIp : instance.privateIp, port: pulumi.output(22) };
    const connection: pulumi.Output<types.input.remote.ConnectionArgs> = pulumi.output({
      ...reach,
      user: facts.user,
      privateKey: args.key.privateKey,
      hostKey: learned.stdout,
      dialErrorLimit: 60,
    });
    this.sshHost = pulumi.output({
      name: args.name,
      user: facts.user,
      host: args.forwardedPort ? instance.id : reach.host,
      hostKey: pulumi.unsecret(learned.stdout),
    });
    const raw: Machine = {
      name: args.name,
      roles: args.roles,
      kernel: args.kernel,
      resource: instance,
      id: instance.id,
      // A machine gets a new public address when it is stopped and started; nothing else here indicates a new boot.
      boot: pulumi.interpolate`${instance.id} ${reach.host}`,
      connection,
      become: "sudo -n ",
      privateAddress: instance.privateIp,
      sshCommand: pulumi.output(sshCommand(pulumi.getStack(), args.name)),
      emulated: pulumi.output(false),
    };
    const ready = new RemoteStep(
      `${name}-first-boot`,
      {
        machine: raw,
        run: {
          file: new URL("./waitReady.sh", import.meta.url),
          args: [kernels[args.kernel].release.source, installedMarker(args.kernel)],
        },
        timeoutSeconds: firstBootSeconds,
      },
      parent,
    );
    // Dependants of this machine can connect only once it is ready.
    const machine: Machine = {
      ...raw,
      connection: pulumi.all([raw.connection, ready.stdout]).apply(([connection]) => connection),
    };
    new RemoteStep(
      `${name}-expiry`,
      {
        machine,
        run: { file: new URL("./setExpiry.sh", import.meta.url), args: [args.expires] },
      },
      parent,
    );
    this.machine = args.roles.includes("client") ? this.withCache(name, machine, args.cacheFolder) : machine;
    this.registerOutputs({ id: instance.id, privateAddress: instance.privateIp });
  }

  /** The machine, once its instance store (if any) is mounted for caches. */
  private withCache(name: string, machine: Machine, folder: string): Machine {
    const store = new RemoteStep(
      `${name}-instance-store`,
      {
        machine,
        run: { file: new URL("./instanceStore.sh", import.meta.url), args: [folder] },
      },
      { parent: this },
    );
    return {
      ...machine,
      connection: pulumi.all([machine.connection, store.stdout]).apply(([connection]) => connection),
    };
  }
}
