"""Tests of DisGraFS, which need only Python packages."""
