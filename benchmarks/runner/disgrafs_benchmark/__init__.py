"""Executes a benchmark plan on the cluster, with a Ray driver on the head and an agent on each client.

It only measures and records; benchmarks/analyse.ts computes figures and verdicts from the raw files, on any machine.
"""
