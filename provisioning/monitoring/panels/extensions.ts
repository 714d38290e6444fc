/** The eBPF extensions: what they were asked, what they answered, and what they lost. */
import { inSection, mean, one, rate, slowly } from "./panel.ts";

const results = "efuse_requests_total";
const hits = rate(`${results}{result="hit"}`, "node", slowly);
const asked = rate(`${results}{result="asked"}`, "node", slowly);
/** Results of a request that the daemon was asked for, by the reason why. */
const reasons =
  'result=~"absent|attr_absent|expired|generation|open_for_write|lease|name_too_long|internal_inode|reply_size|off"';

const needs = "the extension fuse";

export const extensions = inSection("Extensions", [
  {
    title: "FUSE extension: asked, and answered in the kernel",
    unit: "ops",
    description: "A hit never reaches JuiceFS.",
    queries: [
      { expr: asked, legend: "{{node}} asked" },
      { expr: hits, legend: "{{node}} hits" },
    ],
    needs,
  },
  {
    title: "FUSE extension: hit ratio",
    unit: "percentunit",
    description: "Hits of all requests that it was asked.",
    queries: one(`${hits} / (${asked} > 0)`),
    needs: "the extension fuse, and requests",
  },
  {
    title: "FUSE extension: why the daemon was asked",
    unit: "ops",
    description: "Upcalls by reason: not cached, expired, changed since, no lease, ...",
    queries: one(rate(`${results}{${reasons}}`, "node, result", slowly), "{{node}} {{result}}"),
    needs,
  },
  {
    title: "FUSE extension: hits by opcode",
    unit: "ops",
    description: "Which requests are answered in the kernel.",
    queries: one(rate(`${results}{result="hit"}`, "node, opcode", slowly), "{{node}} {{opcode}}"),
    needs: "the extension fuse, and a hit",
  },
  {
    title: "FUSE extension: staleness",
    unit: "s",
    description:
      "Bound: how old an answer can be, which the daemon's own validity adds to. Lease: how long it may still answer without a word of Redis.",
    queries: [
      { expr: "efuse_bound_seconds", legend: "{{node}} bound" },
      { expr: "efuse_daemon_validity_seconds", legend: "{{node}} daemon's validity" },
      { expr: "efuse_lease_seconds", legend: "{{node}} lease" },
    ],
    needs,
  },
  {
    title: "FUSE extension: pushes of Redis",
    unit: "ops",
    description: "Changes that Redis told of, entries that were dropped for them, and heartbeats.",
    queries: [
      { expr: rate("efuse_redis_pushes_total", "node", slowly), legend: "{{node}} pushes" },
      { expr: rate("efuse_redis_invalidations_total", "node", slowly), legend: "{{node}} invalidations" },
      { expr: rate("efuse_redis_heartbeats_total", "node", slowly), legend: "{{node}} heartbeats" },
    ],
    needs,
  },
  {
    title: "FUSE requests by opcode, in the queue and in the daemon: mean time",
    unit: "s",
    description: "As the kernel sees them (extension fuse-latency).",
    queries: one(
      mean("disgrafs_fuse_request_seconds", "node, opcode, phase", slowly),
      "{{node}} {{opcode}} {{phase}}",
    ),
    needs: "the extension fuse-latency",
  },
  {
    title: "Redis messages, past TCP and through it",
    unit: "ops",
    description: "Of connections inside a node (extension redis-sockmap).",
    queries: one(rate("disgrafs_sockmap_messages_total", "node, way", slowly), "{{node}} {{way}}"),
    needs: "the extension redis-sockmap",
  },
  {
    title: "Packets copied to the ring",
    unit: "ops",
    description: "Received ones (extension packet-dma).",
    queries: one(rate("disgrafs_packets_captured_total", "node", slowly)),
    needs: "the extension packet-dma",
  },
  {
    title: "Storage chains",
    unit: "ops",
    description: "What the target of the device mapper did, by kind (extension storage-chain).",
    queries: one(rate("storage_chain_events_total", "node, kind", slowly), "{{node}} {{kind}}"),
    needs: "the extension storage-chain",
  },
  {
    title: "Drops",
    unit: "ops",
    description:
      "Packets without room in the ring, and FUSE requests that could not be followed: 0 when all is well.",
    queries: [
      { expr: rate("disgrafs_packets_dropped_total", "node", slowly), legend: "{{node}} packets" },
      { expr: rate("disgrafs_fuse_requests_lost_total", "node", slowly), legend: "{{node}} FUSE requests" },
    ],
    needs: "the extension packet-dma or fuse-latency",
    worry: 1,
  },
]);
