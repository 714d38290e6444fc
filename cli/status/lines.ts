/** Formats a lab's status as text: the same on a terminal and in a file. */
import { table } from "../table.ts";
import type { LabStatus, NodeStatus } from "./labStatus.ts";

export function statusLines(status: LabStatus): string {
  const sections = [
    table([["NODE", "STATE", "ROLES", "KERNEL", "LOAD", "MEMORY", "DISK"], ...status.nodes.map(nodeRow)]),
    services(status),
    extensions(status),
    running(status),
    status.ok ? "all is well\n" : `wrong:\n${status.problems.map((line) => `  ${line}\n`).join("")}`,
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function nodeRow({ name, machine, roles, kernel, load, cpus, memoryUsed, diskUsed }: NodeStatus): string[] {
  return [
    name,
    machine,
    roles.join(","),
    kernel,
    load === undefined ? "-" : `${load.toFixed(1)} of ${cpus}`,
    percent(memoryUsed),
    percent(diskUsed),
  ];
}

/** One row per service: where it is active, and where something is wrong. */
function services({ services: all }: LabStatus): string {
  if (all.length === 0) return "";
  const names = [...new Set(all.map(({ service }) => service))];
  const rows = names.map((name) => {
    const own = all.filter(({ service }) => service === name);
    const well = own.filter(({ state, unanswered }) => state === "active" && unanswered.length === 0);
    const other = own.filter((each) => !well.includes(each));
    const words = other.map(({ node, state, unanswered }) =>
      state === "active" ? `${node}: no answer to ${unanswered.join(", ")}` : `${node}: ${state}`,
    );
    return [
      name,
      well.length > 0 ? `active on ${well.map(({ node }) => node).join(", ")}` : "",
      words.join("; "),
    ];
  });
  return table([["SERVICE", "STATE", ""], ...rows]);
}

function extensions({ extensions: all }: LabStatus): string {
  if (all.length === 0) return "";
  const rows = all.map(({ extension, node, state, hitRatio, asked }) => [
    extension,
    node,
    state,
    hitRatio === null ? "-" : `${percent(hitRatio)} of ${asked}`,
  ]);
  return table([["EXTENSION", "NODE", "STATE", "HITS"], ...rows]);
}

function running({ benchmark, disgrafs, expires, cost, at }: LabStatus): string {
  const lines = [];
  if (benchmark) lines.push(`benchmark ${benchmark.run}: ${benchmark.progress}`);
  if (disgrafs) {
    const files = Object.entries(disgrafs.files).map(([state, count]) => `${count} ${state}`);
    lines.push(`DisGraFS: ${disgrafs.behind ?? "?"} changes behind; files: ${files.join(", ") || "none"}`);
  }
  if (expires !== undefined) {
    const left = Date.parse(expires) - Date.parse(at);
    const spent =
      cost === undefined
        ? ""
        : `; spent so far: ${cost === "unknown" ? "not known" : `USD ${cost.toFixed(2)}`}`;
    lines.push(`expires at ${expires}, ${left > 0 ? `in ${hours(left)}` : "which has passed"}${spent}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "-" : `${(share * 100).toFixed(0)} %`;

function hours(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
