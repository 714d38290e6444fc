"""The volume's change log: read, checked for gaps, and folded to what it means for the graph."""
