/**
 * Measures time and memory of a preview for numbers of nodes, on moto: `node tests/aws/preview.ts 10 100`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Cloud } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

/** Resident MiB of a process and its descendants. */
function residentMiB(pid: number): number {
  const parents = new Map<number, number>();
  const pages = new Map<number, number>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(entry), Number(fields[1]));
      pages.set(Number(entry), Number(fields[21]));
    } catch {
      // The process has ended meanwhile.
    }
  }
  const below = (child: number): boolean => child === pid || (child > 1 && below(parents.get(child) ?? 0));
  const total = [...pages].filter(([each]) => below(each)).reduce((sum, [, count]) => sum + count, 0);
  return Math.round((total * 4096) / 2 ** 20);
}

const cloud = await Cloud.start();
const lab = new LabProject(cloud);
try {
  process.stdout.write("nodes  resources  seconds  MiB (CLI, plugins and program)\n");
  for (const count of process.argv.slice(2).map(Number)) {
    const clients = Array.from({ length: count - 1 }, (_, index) => ({
      name: `node${index + 1}`,
      roles: ["client", index === 0 ? "ray-head" : "ray-worker"],
    }));
    const nodes = [{ name: "meta", roles: ["meta", "objects"] }, ...clients];
    await lab.configure(`size${count}`, {
      aws: { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32" },
      nodes,
    });
    const start = performance.now();
    const preview = lab.start("preview", "--json");
    let most = 0;
    const sampling = setInterval(() => {
      most = Math.max(most, residentMiB(preview.pid ?? 0));
    }, 250);
    const { all } = await preview;
    clearInterval(sampling);
    const seconds = (performance.now() - start) / 1000;
    const { changeSummary } = JSON.parse(all.slice(all.indexOf("{"))) as {
      changeSummary: { create: number };
    };
    process.stdout.write(
      `${String(count).padStart(5)}  ${String(changeSummary.create).padStart(9)}  ${seconds.toFixed(1).padStart(7)}  ${most}\n`,
    );
  }
} finally {
  await cloud.stop();
  lab.remove();
}
