"""An index of the graph outside of the graph: an image for storage chains (docs/storage-chain.md)."""
