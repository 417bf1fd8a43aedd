"""What only who works on the project runs: benchmarks, and the stream's job under faults."""
