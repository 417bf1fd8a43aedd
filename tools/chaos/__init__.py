"""Kill, starve and confuse the stream's job, and see whether its tables hold what the producer sent."""
