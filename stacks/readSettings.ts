/** Reads the stack's settings, and checks that this computer has room for the machines still to be started. */
import { freemem } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { checkout, inLab } from "../workshop/checkout.ts";
import { freeBytes } from "../workshop/freeBytes.ts";
import { labCommand } from "./labCommand.ts";
import { runningVm } from "./local/vm.ts";
import { parseSettings, SettingsError, type Settings } from "./settings.ts";
import type { Node } from "./topology.ts";

/** @throws SettingsError with one line for each problem */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings {
  const stack = pulumi.getStack();
  const settings = parseSettings(values, stack);
  if (settings.target === "local") {
    const toStart = settings.nodes.filter(({ name }) => !runningVm(stack, name));
    const problems = roomProblems(toStart, roomHere(), stack);
    if (problems.length > 0) throw new SettingsError(problems);
  }
  return settings;
}

/** Free resources of this computer. */
export interface Room {
  readonly memoryMiB: number;
  readonly diskGiB: number;
}

function roomHere(): Room {
  return {
    memoryMiB: Math.floor(freemem() / 2 ** 20),
    diskGiB: Math.floor(freeBytes(inLab("stacks")) / 2 ** 30),
  };
}

/** Actual disk usage of a node over a lab's life; the disk is sparse, so its nominal size is much larger. */
const overlayGiB = 2;

/** Resources that are missing for these nodes, one line each. */
export function roomProblems(nodes: readonly Node[], room: Room, stack: string): string[] {
  const memory = nodes.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  const disk = nodes.length * overlayGiB;
  const problems: string[] = [];
  if (memory > room.memoryMiB) {
    problems.push(
      `the nodes to start need ${memory} MiB of memory and ${room.memoryMiB} MiB are free here: ` +
        `${memory - room.memoryMiB} MiB are missing; close other programs, or run: ${labCommand(stack, "up -c topology=single")}`,
    );
  }
  if (disk > room.diskGiB) {
    problems.push(
      `the nodes to start need about ${disk} GiB of disk and ${room.diskGiB} GiB are free below ${checkout}: ` +
        `${disk - room.diskGiB} GiB are missing; free some space, or remove old images with ./lab cache --prune`,
    );
  }
  return problems;
}
