"""Carries out a benchmark plan on the cluster: a Ray driver on the head, an agent on every client node.

It measures and records; it judges nothing. Figures and verdicts are made from the raw files it leaves, on any machine,
by benchmarks/analyse.ts.
"""
