/** JuiceFS on the clients, from its own metrics. */
import { inSection, mean, one, rate } from "./panel.ts";

export const juicefs = inSection("JuiceFS", [
  {
    title: "FUSE operations",
    unit: "ops",
    description:
      "Requests that the kernel sent to JuiceFS, without those that a kernel cache or an extension answered.",
    queries: one(rate("juicefs_fuse_ops_durations_histogram_seconds_count", "node")),
  },
  {
    title: "FUSE operations by opcode",
    unit: "ops",
    description: "The same requests by opcode.",
    queries: one(rate("juicefs_fuse_ops_total", "node, method"), "{{node}} {{method}}"),
  },
  {
    title: "FUSE operations, mean time",
    unit: "s",
    description: "Time in JuiceFS, from request to reply.",
    queries: one(mean("juicefs_fuse_ops_durations_histogram_seconds", "node")),
  },
  {
    title: "Metadata transactions",
    unit: "ops",
    description: "Transactions of JuiceFS with Redis.",
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
    title: "Block cache",
    unit: "ops",
    description: "Block reads answered by the client's own cache, and those that were not.",
    queries: [
      { expr: rate("juicefs_blockcache_hits", "node"), legend: "{{node}} hits" },
      { expr: rate("juicefs_blockcache_miss", "node"), legend: "{{node}} misses" },
    ],
  },
]);
