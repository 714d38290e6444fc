/** DisGraFS: how far its index and its taggers are behind the volume. */
import { inSection, one, quantile, rate } from "./panel.ts";

const needs = "DisGraFS: ./lab up -c disgrafs=true";

export const disgrafs = inSection("DisGraFS", [
  {
    title: "Changes that are not in the graph yet",
    unit: "short",
    description: "Entries of the volume's change log that the index has not taken over.",
    queries: one("disgrafs_log_behind_entries"),
    needs,
  },
  {
    title: "Files by state",
    unit: "short",
    description: "In the graph: those that wait for a tagger are its queue.",
    queries: one("disgrafs_files", "{{state}}"),
    needs,
  },
  {
    title: "From a change to its tags",
    unit: "s",
    description: "Until the file is found by them: half of the files, and 95 of 100.",
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
    title: "Tries that gave no tags",
    unit: "ops",
    description: "By tagger and fault. A file is tried again, and then given up.",
    queries: one(rate("disgrafs_tagging_failures_total", "tagger, fault"), "{{tagger}} {{fault}}"),
    needs: "DisGraFS, and a file that could not be tagged",
  },
  {
    title: "Entries of the change log",
    unit: "ops",
    description:
      "Taken over into the graph; and directories that were read because the log does not say enough.",
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
      "Since the index was started, by reason: 0 when all is well. The first of a new volume is not counted.",
    queries: one("disgrafs_walks_total", "{{reason}}"),
    needs,
  },
]);
