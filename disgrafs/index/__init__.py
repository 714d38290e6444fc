"""The process that follows the volume: applies the log's changes to the graph, in order and exactly once."""
