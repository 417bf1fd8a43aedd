"""Kill, throttle and disturb the stream's job, and check that its tables hold exactly what the producer sent."""
