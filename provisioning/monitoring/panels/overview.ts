/** CPU, memory, network and disk of every node: what to look at first. */
import { disks, inSection, one, rate, window } from "./panel.ts";

const cpus = 'count by (node) (node_cpu_seconds_total{mode="idle"})';

export const overview = inSection("Overview", [
  {
    title: "CPU in use",
    unit: "percentunit",
    description:
      "All modes except idle and iowait. Steal is a separate line: another machine used that time.",
    queries: [
      {
        expr: `sum by (node) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal"}${window})) / ${cpus}`,
        legend: "{{node}}",
      },
      {
        expr: `sum by (node) (rate(node_cpu_seconds_total{mode="steal"}${window})) / ${cpus}`,
        legend: "{{node}} steal",
      },
    ],
  },
  {
    title: "Memory in use",
    unit: "percentunit",
    description: "Share of memory that is not available to programs.",
    queries: one("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),
    worry: 0.9,
  },
  {
    title: "Network",
    unit: "Bps",
    description: "All interfaces except loopback.",
    queries: [
      { expr: rate('node_network_receive_bytes_total{device!="lo"}', "node"), legend: "{{node}} in" },
      { expr: rate('node_network_transmit_bytes_total{device!="lo"}', "node"), legend: "{{node}} out" },
    ],
  },
  {
    title: "Disk requests (iostat r/s, w/s)",
    unit: "iops",
    description: "Completed, by device.",
    queries: [
      {
        expr: rate(`node_disk_reads_completed_total${disks}`, "node, device"),
        legend: "{{node}} {{device}} r/s",
      },
      {
        expr: rate(`node_disk_writes_completed_total${disks}`, "node, device"),
        legend: "{{node}} {{device}} w/s",
      },
    ],
  },
  {
    title: "Disk utilisation (iostat %util)",
    unit: "percentunit",
    description: "Share of time with at least one request in progress.",
    queries: one(rate(`node_disk_io_time_seconds_total${disks}`, "node, device"), "{{node}} {{device}}"),
    worry: 0.9,
  },
  {
    title: "Root file system in use",
    unit: "percentunit",
    description: "Share of its size.",
    queries: one(
      '1 - node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"}',
    ),
    worry: 0.9,
  },
  {
    title: "Pressure",
    unit: "percentunit",
    description: "Share of time in which at least one task waited (PSI).",
    queries: [
      { expr: `rate(node_pressure_cpu_waiting_seconds_total${window})`, legend: "{{node}} CPU" },
      { expr: `rate(node_pressure_io_waiting_seconds_total${window})`, legend: "{{node}} I/O" },
      { expr: `rate(node_pressure_memory_waiting_seconds_total${window})`, legend: "{{node}} memory" },
    ],
  },
  {
    title: "Targets of Prometheus that do not answer",
    unit: "short",
    description: "By node: 0 when all is well. A target that does not answer leaves gaps in its panels.",
    queries: one("count by (node) (up) - sum by (node) (up)"),
    worry: 1,
  },
]);
