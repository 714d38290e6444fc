"""The volume's change log: reads it, checks it for gaps, and reduces it to changes of the graph."""
