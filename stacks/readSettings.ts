/** Settings of this stack, and whether this machine has room for the machines that are still to be started. */
import { statfsSync } from "node:fs";
import { freemem } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { checkout } from "../workshop/checkout.ts";
import { runningVm } from "./local/vm.ts";
import { parseSettings, SettingsError, type Settings } from "./settings.ts";
import type { Node } from "./topology.ts";

/** @throws SettingsError with one line for each fault */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings {
  const settings = parseSettings(values, pulumi.getStack());
  if (settings.target === "local") {
    const stack = pulumi.getStack();
    const toStart = settings.nodes.filter(({ name }) => !runningVm(stack, name));
    const problems = roomProblems(toStart, roomHere());
    if (problems.length > 0) throw new SettingsError(problems);
  }
  return settings;
}

/** What a local lab may use of this machine. */
export interface Room {
  readonly memoryMiB: number;
  readonly diskGiB: number;
}

function roomHere(): Room {
  const { bavail, bsize } = statfsSync(checkout);
  return { memoryMiB: Math.floor(freemem() / 2 ** 20), diskGiB: Math.floor((bavail * bsize) / 2 ** 30) };
}

/** What a node's disk really grows to in a lab's life: it is sparse, so its size says little. */
const overlayGiB = 2;

/** What is missing for these nodes, one line each. */
export function roomProblems(nodes: readonly Node[], room: Room): string[] {
  const memory = nodes.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  const disk = nodes.length * overlayGiB;
  const problems: string[] = [];
  if (memory > room.memoryMiB) {
    problems.push(
      `the nodes to start need ${memory} MiB of memory and ${room.memoryMiB} MiB are free here: ` +
        `${memory - room.memoryMiB} MiB are missing; close something, or run: ./lab up -c topology=single`,
    );
  }
  if (disk > room.diskGiB) {
    problems.push(
      `the nodes to start need about ${disk} GiB of disk and ${room.diskGiB} GiB are free below ${checkout}: ` +
        `${disk - room.diskGiB} GiB are missing; make room, or remove old images with ./lab down --purge`,
    );
  }
  return problems;
}
