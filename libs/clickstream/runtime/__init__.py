"""What a job runs in: its arguments, Glue, counts and metrics."""
