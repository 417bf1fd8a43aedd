"""``python -m deploy``: what changes with every commit, from a working tree into an AWS account."""
