/**
 * The local target: creates the machines of a lab on this computer. Every resource is an idempotent command that ensures one
 * thing (network, image, key, machine) and can be run again at any time.
 */
import { relative } from "node:path";
import type { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { cloudInit } from "../../provisioning/cloudInit.ts";
import { digest } from "../../provisioning/digest.ts";
import type { Machine } from "../../provisioning/machine.ts";
import type { Node } from "../topology.ts";
import type { Accelerator } from "../../workshop/accelerator.ts";
import { imageKey } from "../../workshop/image/image.ts";
import type { KeyPair } from "../../workshop/keyPair.ts";
import { clockFiles } from "./clockFiles.ts";
import { networkRevision } from "./network.ts";
import { ensure } from "../../workshop/ensure.ts";
import { checkout } from "../../workshop/checkout.ts";
import { loginKeyFile, machineFolder, sshConfigFile } from "./paths.ts";
import { vmRevision, wasRebooted, type VmSpec } from "./vm.ts";

export interface LocalSettings {
  readonly kernel: LocalKernel;
  readonly accelerator: "auto" | Accelerator;
  readonly clock: "wall" | "instructions";
  /** Size of a data disk on each client; undefined: none. */
  readonly dataDiskMiB?: number | undefined;
}

/** First three numbers of the private network's addresses. Each stack has a separate switch, so all stacks can use them. */
const prefix = "10.77.0";

/** The machines of a local stack, in the nodes' order. */
export function localMachines(settings: LocalSettings, nodes: readonly Node[]): Machine[] {
  const stack = pulumi.getStack();
  // The resource's previous output contains the stack's former name (owner.ts).
  const network = ensure(
    "network",
    "network",
    { stack, revision: networkRevision(stack) },
    {},
    { addPreviousOutput: true },
  );
  const owner = network.stdout.apply((text) => (JSON.parse(text) as { owner: string }).owner);
  const image = ensure("image", "image", { kernel: settings.kernel }, { key: imageKey(settings.kernel) });
  const login = keyPair("login-key", loginKeyFile(stack), owner);
  return nodes.map((node, index) => machine(settings, node, index, { network, owner, image, login }));
}

interface Shared {
  readonly network: local.Command;
  readonly owner: pulumi.Output<string>;
  readonly image: local.Command;
  readonly login: Keys;
}

function machine(settings: LocalSettings, node: Node, index: number, shared: Shared): Machine {
  const stack = pulumi.getStack();
  const { name } = node;
  const address = `${prefix}.${index + 10}`;
  const hostKey = keyPair(`${name}-host-key`, `${machineFolder(stack, name)}-host_key`, shared.owner);
  const dataDiskMiB = node.roles.includes("client") ? settings.dataDiskMiB : undefined;
  const mac = `52:54:00:77:00:${(index + 10).toString(16).padStart(2, "0")}`;
  const rebooted = wasRebooted(stack, name).then((answer) => {
    if (answer === undefined) void pulumi.log.warn(`${name} does not answer, so a reboot cannot be detected`);
    return answer ?? false;
  });
  const revision = rebooted.then((again) => vmRevision(stack, name, again));
  const files = clockFiles(settings.clock);
  const spec = pulumi
    .all([shared.login.pair, hostKey.pair, revision, shared.owner])
    .apply(([login, host, start, owner]): VmSpec => ({
      stack,
      owner,
      name,
      kernel: settings.kernel,
      cpus: node.cpus,
      memoryMiB: node.memoryMiB,
      diskGiB: node.diskGiB,
      ...(dataDiskMiB === undefined ? {} : { dataDiskMiB }),
      accelerator: settings.accelerator,
      clock: settings.clock,
      mac,
      revision: start,
      hostKey: host.publicKey,
      userData: cloudInit({
        hostname: name,
        login: { user: "root", authorizedKeys: [login.publicKey] },
        hostKey: host,
        network: { mac, address: `${address}/24` },
        files,
      }),
    }));
  // A new image or disk size needs a new disk, and so a new machine, as do other files of the first boot. Any other change
  // restarts the machine with its disk.
  const contents = files.map(({ content }) => String(content));
  const disk = digest([imageKey(settings.kernel), String(node.diskGiB), ...contents]);
  const vm = ensure(
    `${name}-vm`,
    "vm",
    spec,
    {},
    { triggers: [disk], dependsOn: [shared.network, shared.image] },
  );
  const state = vm.stdout.apply(
    (text) => JSON.parse(text) as { id: string; boot: string; port: number; accelerator: Accelerator },
  );
  return {
    name,
    roles: node.roles,
    kernel: settings.kernel,
    resource: vm,
    id: state.id,
    boot: state.boot,
    connection: pulumi.secret({
      host: "127.0.0.1",
      port: state.port,
      user: "root",
      privateKey: shared.login.pair.privateKey,
      hostKey: hostKey.publicKey,
    }),
    become: "",
    privateAddress: pulumi.output(address),
    sshCommand: pulumi.output(`ssh -F ${relative(checkout, sshConfigFile(stack, name))} ${name}`),
    emulated: state.accelerator.apply((accelerator) => accelerator === "tcg"),
  };
}

interface Keys {
  /** Secret, because it contains the private key. */
  readonly pair: pulumi.Output<KeyPair>;
  readonly publicKey: pulumi.Output<string>;
}

/** Path of the file relative to the checkout, so that it stays valid after the checkout was moved. */
function keyPair(name: string, file: string, owner: pulumi.Output<string>): Keys {
  const input = { stack: pulumi.getStack(), owner, file: relative(checkout, file) };
  const command = ensure(name, "key", input, {}, { additionalSecretOutputs: ["stdout"] });
  const pair = command.stdout.apply((text) => JSON.parse(text) as KeyPair);
  return { pair, publicKey: pulumi.unsecret(pair.apply(({ publicKey }) => publicKey)) };
}
