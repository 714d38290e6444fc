/** The eBPF extensions: requests seen, requests answered, and losses. */
import { inSection, mean, one, rate, slowly } from "./panel.ts";

const results = "efuse_requests_total";
const hits = rate(`${results}{result="hit"}`, "node", slowly);
const asked = rate(`${results}{result="asked"}`, "node", slowly);
/** The results that mean that the daemon was asked: the reasons (EFUSE_RESULTS in bpf/fuse/efuse.h). */
export const reasons = [
  ...["absent", "attr_absent", "expired", "generation", "open_for_write", "lease", "name_too_long"],
  ...["internal_inode", "reply_size", "off", "handle", "version", "not_mapped", "forced"],
] as const;

const needs = "the extension fuse";

export const extensions = inSection("Extensions", [
  {
    title: "FUSE extension: requests, and answers from the kernel",
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
    description: "Share of requests that were answered in the kernel.",
    queries: one(`${hits} / (${asked} > 0)`),
    needs: "the extension fuse, and requests",
  },
  {
    title: "FUSE extension: why the daemon was asked",
    unit: "ops",
    description: "Upcalls by reason: not cached, expired, changed since, no lease, ...",
    queries: one(
      rate(`${results}{result=~"${reasons.join("|")}"}`, "node, result", slowly),
      "{{node}} {{result}}",
    ),
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
    title: "FUSE extension: read from the block cache",
    unit: "Bps",
    description: "Data that read() got from JuiceFS's block files in the kernel.",
    queries: one(rate("efuse_module_read_bytes_total", "node", slowly)),
    needs: "the extension fuse with reads",
  },
  {
    title: "FUSE extension: blocks of the block cache",
    unit: "short",
    description:
      "Blocks that the kernel can read now, and blocks a second that a read() missed, by what the agent found.",
    queries: [
      { expr: "efuse_read_blocks", legend: "{{node}} held" },
      {
        expr: rate("efuse_read_misses_total", "node, result", slowly),
        legend: "{{node}} {{result}} a second",
      },
    ],
    needs: "the extension fuse with reads",
  },
  {
    title: "FUSE extension: staleness",
    unit: "s",
    description:
      "Bound: maximum age of an answer, plus the daemon's own validity. Lease: remaining time in which it may answer without hearing from Redis.",
    queries: [
      { expr: "efuse_bound_seconds", legend: "{{node}} bound" },
      { expr: "efuse_daemon_validity_seconds", legend: "{{node}} daemon's validity" },
      { expr: "efuse_lease_seconds", legend: "{{node}} lease" },
    ],
    needs,
  },
  {
    title: "FUSE extension: pushes from Redis",
    unit: "ops",
    description: "Changes that Redis announced, entries dropped because of them, and heartbeats.",
    queries: [
      { expr: rate("efuse_redis_pushes_total", "node", slowly), legend: "{{node}} pushes" },
      { expr: rate("efuse_redis_invalidations_total", "node", slowly), legend: "{{node}} invalidations" },
      { expr: rate("efuse_redis_heartbeats_total", "node", slowly), legend: "{{node}} heartbeats" },
    ],
    needs,
  },
  {
    title: "FUSE requests by opcode: mean time in the queue and in the daemon",
    unit: "s",
    description: "As measured in the kernel (extension fuse-latency).",
    queries: one(
      mean("disgrafs_fuse_request_seconds", "node, opcode, phase", slowly),
      "{{node}} {{opcode}} {{phase}}",
    ),
    needs: "the extension fuse-latency",
  },
  {
    title: "Redis messages around TCP and through it",
    unit: "ops",
    description: "On connections within a node (extension redis-sockmap).",
    queries: one(rate("disgrafs_sockmap_messages_total", "node, way", slowly), "{{node}} {{way}}"),
    needs: "the extension redis-sockmap",
  },
  {
    title: "Packets copied to the ring",
    unit: "ops",
    description: "Received packets only (extension packet-dma).",
    queries: one(rate("disgrafs_packets_captured_total", "node", slowly)),
    needs: "the extension packet-dma",
  },
  {
    title: "Storage chains",
    unit: "ops",
    description: "Events of the device-mapper target, by kind (extension storage-chain).",
    queries: one(rate("storage_chain_events_total", "node, kind", slowly), "{{node}} {{kind}}"),
    needs: "the extension storage-chain",
  },
  {
    title: "Drops",
    unit: "ops",
    description:
      "Packets that found no room in the ring, and FUSE requests that could not be tracked: 0 when all is well.",
    queries: [
      { expr: rate("disgrafs_packets_dropped_total", "node", slowly), legend: "{{node}} packets" },
      { expr: rate("disgrafs_fuse_requests_lost_total", "node", slowly), legend: "{{node}} FUSE requests" },
    ],
    needs: "the extension packet-dma or fuse-latency",
    worry: 1,
  },
]);
