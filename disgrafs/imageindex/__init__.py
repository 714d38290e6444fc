"""Exports the graph as an image for storage chains (docs/storage-chain.md)."""
