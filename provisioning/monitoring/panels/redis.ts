/** Redis, which holds the volume's metadata. */
import { inSection, one, rate } from "./panel.ts";

export const redis = inSection("Redis", [
  {
    title: "Redis commands",
    unit: "ops",
    description: "All clients together.",
    queries: one(rate("redis_commands_processed_total", "node")),
  },
  {
    title: "Redis commands by name",
    unit: "ops",
    description: "All clients together.",
    queries: one(rate("redis_commands_total", "cmd"), "{{cmd}}"),
  },
  {
    title: "Redis commands, mean time",
    unit: "s",
    description: "Time in Redis itself, by command, without the network.",
    queries: one(
      `${rate("redis_commands_duration_seconds_total", "cmd")} / (${rate("redis_commands_total", "cmd")} > 0)`,
      "{{cmd}}",
    ),
  },
  {
    title: "Redis clients",
    unit: "short",
    description: "Open connections.",
    queries: one("redis_connected_clients"),
  },
  {
    title: "Redis memory",
    unit: "bytes",
    description: "Used by the keys and by Redis itself.",
    queries: one("redis_memory_used_bytes"),
  },
]);
