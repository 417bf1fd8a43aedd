"""What the batch job costs beside others that do the same work, and how to measure it again."""
