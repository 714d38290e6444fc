/**
 * The dashboard, as a table of panels, and Grafana's JSON made from it. Written to dashboards/disgrafs.json by
 *   node provisioning/monitoring/grafana/dashboard.ts >provisioning/monitoring/grafana/dashboards/disgrafs.json
 */
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

export interface Query {
  /** PromQL. */
  readonly expr: string;
  /** Labels of the result in double braces, as Grafana fills them in. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** Grafana's name of a unit: `ops` is operations per second, `s` seconds, `Bps` bytes per second. */
  readonly unit: string;
  readonly description: string;
  readonly queries: readonly Query[];
  /** Extension whose metrics it shows: empty without it. */
  readonly extension?: string;
}

// Three looks at least, at one each 5 s, or there is no rate.
const window = "[20s]";
/** For what extensions write to a text file every 15 s. */
const slowly = "[1m]";
const rate = (metric: string, by: string, over = window): string => `sum by (${by}) (rate(${metric}${over}))`;
const one = (expr: string, legend = "{{node}}"): readonly Query[] => [{ expr, legend }];
const mean = (histogram: string, by: string, over = window): string =>
  `${rate(`${histogram}_sum`, by, over)} / (${rate(`${histogram}_count`, by, over)} > 0)`;
/** Disks that hold a file system here: neither memory nor what lies on another disk. */
const disks = '{device!~"(ram|loop|zram|dm-).*"}';

export const panels: readonly Panel[] = [
  {
    title: "FUSE operations",
    unit: "ops",
    description:
      "Requests that the kernel sent to JuiceFS. What a kernel cache or an extension answers is not in it.",
    queries: one(rate("juicefs_fuse_ops_durations_histogram_seconds_count", "node")),
  },
  {
    title: "FUSE operations, mean time",
    unit: "s",
    description: "In JuiceFS, from request to reply.",
    queries: one(mean("juicefs_fuse_ops_durations_histogram_seconds", "node")),
  },
  {
    title: "Metadata transactions",
    unit: "ops",
    description: "What JuiceFS asked of Redis.",
    queries: one(rate("juicefs_meta_ops_durations_histogram_seconds_count", "node")),
  },
  {
    title: "Metadata transactions, mean time",
    unit: "s",
    description: "From JuiceFS to Redis and back.",
    queries: one(mean("juicefs_meta_ops_durations_histogram_seconds", "node")),
  },
  {
    title: "Read and written by applications",
    unit: "Bps",
    description: "Through FUSE.",
    queries: [
      { expr: rate("juicefs_fuse_read_size_bytes_sum", "node"), legend: "{{node}} read" },
      { expr: rate("juicefs_fuse_written_size_bytes_sum", "node"), legend: "{{node}} written" },
    ],
  },
  {
    title: "Object requests",
    unit: "ops",
    description: "To the object store, by method.",
    queries: one(
      rate("juicefs_object_request_durations_histogram_seconds_count", "node, method"),
      "{{node}} {{method}}",
    ),
  },
  {
    title: "Redis commands",
    unit: "ops",
    description: "All clients together.",
    queries: one(rate("redis_commands_processed_total", "node")),
  },
  {
    title: "Redis memory",
    unit: "bytes",
    description: "Used by the keys and by Redis itself.",
    queries: one("redis_memory_used_bytes"),
  },
  {
    title: "CPU in use",
    unit: "percentunit",
    description: "All modes but idle and iowait; steal apart, since it is another machine's.",
    queries: [
      {
        expr: `sum by (node) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal"}${window})) / count by (node) (node_cpu_seconds_total{mode="idle"})`,
        legend: "{{node}}",
      },
      {
        expr: `sum by (node) (rate(node_cpu_seconds_total{mode="steal"}${window})) / count by (node) (node_cpu_seconds_total{mode="idle"})`,
        legend: "{{node}} steal",
      },
    ],
  },
  {
    title: "Pressure",
    unit: "percentunit",
    description: "Share of time in which some task waited (PSI).",
    queries: [
      { expr: `rate(node_pressure_cpu_waiting_seconds_total${window})`, legend: "{{node}} CPU" },
      { expr: `rate(node_pressure_io_waiting_seconds_total${window})`, legend: "{{node}} I/O" },
      { expr: `rate(node_pressure_memory_waiting_seconds_total${window})`, legend: "{{node}} memory" },
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
    description: "Share of time with at least one request under way.",
    queries: one(rate(`node_disk_io_time_seconds_total${disks}`, "node, device"), "{{node}} {{device}}"),
  },
  {
    title: "Network",
    unit: "Bps",
    description: "All interfaces but loopback.",
    queries: [
      { expr: rate('node_network_receive_bytes_total{device!="lo"}', "node"), legend: "{{node}} in" },
      { expr: rate('node_network_transmit_bytes_total{device!="lo"}', "node"), legend: "{{node}} out" },
    ],
  },
  {
    title: "FUSE requests by opcode, in the queue and in the daemon: mean time",
    unit: "s",
    description: "As the kernel sees them (extension fuse-latency).",
    extension: "fuse-latency",
    queries: one(
      mean("disgrafs_fuse_request_seconds", "node, opcode, phase", slowly),
      "{{node}} {{opcode}} {{phase}}",
    ),
  },
  {
    title: "FUSE requests that the extension saw",
    unit: "ops",
    description: "Answered in the kernel (hit), or why the daemon was asked (extension fuse).",
    extension: "fuse",
    queries: one(
      rate("efuse_requests_total", "node, opcode, result", slowly),
      "{{node}} {{opcode}} {{result}}",
    ),
  },
];

/** Grafana's dashboard: two panels a row on its grid of 24 columns. */
export function dashboard(): unknown {
  return {
    uid: "disgrafs-lab",
    title: "disgrafs-lab",
    tags: ["disgrafs-lab"],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: "5s",
    time: { from: "now-15m", to: "now" },
    panels: panels.map(({ title, unit, description, queries }, index) => ({
      id: index + 1,
      type: "timeseries",
      title,
      description,
      datasource: { type: "prometheus", uid: "disgrafs" },
      gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
      fieldConfig: {
        // Zero is in sight, or small changes would look large.
        defaults: { unit, min: 0, custom: { lineWidth: 1, fillOpacity: 10, showPoints: "auto" } },
        overrides: [],
      },
      options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
      targets: queries.map(({ expr, legend }, number) => ({
        refId: String.fromCharCode(65 + number),
        datasource: { type: "prometheus", uid: "disgrafs" },
        expr,
        legendFormat: legend,
      })),
    })),
  };
}

/** The file's text. */
export const dashboardText = (): string => `${JSON.stringify(dashboard(), null, 2)}\n`;

if (argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(dashboardText());
