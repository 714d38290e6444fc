"""Executes a benchmark plan on the cluster: a Ray driver on the head, and an agent on every client node.

It only measures and records. benchmarks/analyse.ts computes figures and verdicts from its raw files, on any machine.
"""
