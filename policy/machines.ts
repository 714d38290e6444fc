/**
 * A common view of the ways to request a machine from EC2: an instance, a launch template (for fleets and groups) and the older
 * spot request. A rule that handled only one of them could be bypassed by the others.
 */
import type { ResourceValidation } from "@pulumi/policy";
import { at, type Inputs } from "./rule.ts";

export interface MachineRequest {
  readonly inputs: Inputs;
  /** Name of the property that has the volumes, for messages: `rootBlockDevice`. */
  readonly volumesAt: string;
  /** Settings of the root volume; empty if there are none. */
  readonly rootVolumes: readonly unknown[];
  /** Spot settings, named as in `instanceMarketOptions.spotOptions`; undefined for an on-demand machine. */
  readonly spot: { readonly type: unknown; readonly interruption: unknown } | undefined;
  /** Names of the spot properties, for messages. */
  readonly spotAt: { readonly type: string; readonly interruption: string };
  /** The user data of the resource, and whether it is base64. */
  readonly userData: readonly { readonly text: string; readonly base64: boolean }[];
}

const inMarketOptions = {
  type: "spotOptions.spotInstanceType",
  interruption: "spotOptions.instanceInterruptionBehavior",
};
const readers: Readonly<Record<string, (inputs: Inputs) => MachineRequest>> = {
  "aws:ec2/instance:Instance": (inputs) => ({
    inputs,
    ...rootBlockDevice(inputs),
    spot: marketOptions(inputs),
    spotAt: inMarketOptions,
    userData: [...text(inputs.userData, false), ...text(inputs.userDataBase64, true)],
  }),
  "aws:ec2/spotInstanceRequest:SpotInstanceRequest": (inputs) => ({
    inputs,
    ...rootBlockDevice(inputs),
    spot: {
      type: inputs.spotType ?? "persistent",
      interruption: inputs.instanceInterruptionBehavior ?? "terminate",
    },
    spotAt: { type: "spotType", interruption: "instanceInterruptionBehavior" },
    userData: [...text(inputs.userData, false), ...text(inputs.userDataBase64, true)],
  }),
  "aws:ec2/launchTemplate:LaunchTemplate": (inputs) => ({
    inputs,
    volumesAt: "blockDeviceMappings.ebs",
    rootVolumes: list(inputs.blockDeviceMappings).map((mapping) => at(mapping, "ebs")),
    spot: marketOptions(inputs),
    spotAt: inMarketOptions,
    userData: text(inputs.userData, true),
  }),
};

export const machineTypes: readonly string[] = Object.keys(readers);

/** A validation of every resource that requests a machine. */
export function forMachines(faults: (machine: MachineRequest) => string[]): ResourceValidation {
  return (resource, report) => {
    const read = readers[resource.type];
    if (read) for (const fault of faults(read(resource.props))) report(fault);
  };
}

function rootBlockDevice(inputs: Inputs) {
  const volume = inputs.rootBlockDevice;
  return { volumesAt: "rootBlockDevice", rootVolumes: volume === undefined ? [] : [volume] };
}

function marketOptions(inputs: Inputs): MachineRequest["spot"] {
  if (at(inputs, "instanceMarketOptions", "marketType") !== "spot") return undefined;
  const options = at(inputs, "instanceMarketOptions", "spotOptions");
  return {
    type: at(options, "spotInstanceType"),
    interruption: at(options, "instanceInterruptionBehavior"),
  };
}

function text(value: unknown, base64: boolean): MachineRequest["userData"] {
  return typeof value === "string" ? [{ text: value, base64 }] : [];
}

/** Turns a single value into a list of one; a missing value is an empty list. */
export function list(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? (value as unknown[]) : [value];
}
