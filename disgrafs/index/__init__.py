"""The one process that follows the volume: changes of the log go into the graph, in order, each once."""
