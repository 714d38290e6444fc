/** DisGraFS: how far its index and its taggers are behind the volume. */
import { inSection, one, quantile, rate } from "./panel.ts";

const needs = "DisGraFS: ./lab up -c disgrafs=true";

export const disgrafs = inSection("DisGraFS", [
  {
    title: "Changes that are not in the graph yet",
    unit: "short",
    description: "Entries of the volume's change log that the index has not processed.",
    queries: one("disgrafs_log_behind_entries"),
    needs,
  },
  {
    title: "Files by state",
    unit: "short",
    description: "Files in the graph. Those that are waiting are the taggers' queue.",
    queries: one("disgrafs_files", "{{state}}"),
    needs,
  },
  {
    title: "From a change to its tags",
    unit: "s",
    description: "Time until a search finds the file by its tags: median and 95th percentile.",
    queries: [
      { expr: quantile(0.5, "disgrafs_searchable_seconds", "node", "[5m]"), legend: "{{node}} half" },
      { expr: quantile(0.95, "disgrafs_searchable_seconds", "node", "[5m]"), legend: "{{node}} 95 of 100" },
    ],
    needs: "DisGraFS, and a file that was tagged in the last five minutes",
  },
  {
    title: "Files tagged",
    unit: "ops",
    description: "By tagger.",
    queries: one(rate("disgrafs_files_tagged_total", "tagger"), "{{tagger}}"),
    needs: "DisGraFS, and a file to tag",
  },
  {
    title: "Tags stored",
    unit: "ops",
    description: "By tagger.",
    queries: one(rate("disgrafs_tags_total", "tagger"), "{{tagger}}"),
    needs: "DisGraFS, and a file to tag",
  },
  {
    title: "Failed tagging attempts",
    unit: "ops",
    description: "By tagger and fault. A file is retried a few times, and then marked as failed.",
    queries: one(rate("disgrafs_tagging_failures_total", "tagger, fault"), "{{tagger}} {{fault}}"),
    needs: "DisGraFS, and a file that could not be tagged",
  },
  {
    title: "Entries of the change log",
    unit: "ops",
    description:
      "Entries applied to the graph, and directories that were read because the log was not sufficient.",
    queries: [
      { expr: rate("disgrafs_log_entries_total", "node"), legend: "{{node}} entries" },
      { expr: rate("disgrafs_scanned_directories_total", "node"), legend: "{{node}} directories read" },
    ],
    needs,
  },
  {
    title: "Walks of the whole volume",
    unit: "short",
    description:
      "Since the index started, by reason: 0 when all is well. The first walk of a new volume is not counted.",
    queries: one("disgrafs_walks_total", "{{reason}}"),
    needs,
  },
]);
