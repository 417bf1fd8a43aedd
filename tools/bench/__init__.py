"""Benchmarks of the jobs against baselines that do the same work; each writes its page beside its module."""
