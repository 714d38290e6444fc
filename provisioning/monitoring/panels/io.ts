/** I/O as `iostat -dxc` shows it: every column, one line per device. iostat.py writes the metrics. */
import { disks, type Panel } from "./panel.ts";

/** A panel of iostat fields (iostat.py), one line per device and field. */
function iostat(
  title: string,
  unit: Panel["unit"],
  description: string,
  fields: Readonly<Record<string, string>>,
): Panel[] {
  const queries = Object.entries(fields).map(([field, word]) => ({
    expr: `disgrafs_iostat_${field}${disks}`,
    legend: `{{node}} {{device}} ${word}`.trimEnd(),
  }));
  return [{ section: "I/O", title, unit, description, queries }];
}

export const io: readonly Panel[] = [
  ...iostat("Requests (r/s, w/s, d/s, f/s)", "iops", "Completed per second, by kind.", {
    reads_per_second: "r/s",
    writes_per_second: "w/s",
    discards_per_second: "d/s",
    flushes_per_second: "f/s",
  }),
  ...iostat("Throughput (rkB/s, wkB/s, dkB/s)", "Bps", "Bytes per second, by kind.", {
    read_bytes_per_second: "read",
    written_bytes_per_second: "written",
    discarded_bytes_per_second: "discarded",
  }),
  ...iostat(
    "Time of a request (r_await, w_await, d_await, f_await)",
    "s",
    "Mean time in the queue and on the device.",
    {
      read_await_seconds: "read",
      write_await_seconds: "write",
      discard_await_seconds: "discard",
      flush_await_seconds: "flush",
    },
  ),
  ...iostat("Size of a request (rareq-sz, wareq-sz, dareq-sz)", "bytes", "Mean size.", {
    read_size_bytes: "read",
    write_size_bytes: "write",
    discard_size_bytes: "discard",
  }),
  ...iostat("Merged requests (rrqm/s, wrqm/s, drqm/s)", "iops", "Merged before they reached the device.", {
    reads_merged_per_second: "read",
    writes_merged_per_second: "written",
    discards_merged_per_second: "discarded",
  }),
  ...iostat(
    "Share of merged requests (%rrqm, %wrqm, %drqm)",
    "percentunit",
    "Share of all requests of the same kind.",
    {
      reads_merged_ratio: "read",
      writes_merged_ratio: "written",
      discards_merged_ratio: "discarded",
    },
  ),
  ...iostat("Queue (aqu-sz)", "short", "Mean number of requests waiting or in progress.", {
    queue_length: "",
  }),
  ...iostat("Utilisation (%util)", "percentunit", "Share of time with at least one request in progress.", {
    utilization_ratio: "",
  }),
  {
    section: "I/O",
    title: "CPU as iostat shows it",
    unit: "percentunit",
    description: "Time waiting for I/O, and time stolen by the host.",
    queries: [
      { expr: "disgrafs_iostat_cpu_iowait_ratio", legend: "{{node}} iowait" },
      { expr: "disgrafs_iostat_cpu_steal_ratio", legend: "{{node}} steal" },
    ],
  },
];
