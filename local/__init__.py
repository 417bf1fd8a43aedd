"""Stand-ins for Glue and AWS on one machine: the job scripts run unmodified."""
