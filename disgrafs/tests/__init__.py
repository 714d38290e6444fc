"""Tests of DisGraFS; they need nothing but Python packages."""
