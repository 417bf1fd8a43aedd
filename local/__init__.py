"""Stubs of Glue and a local AWS, for one machine: the job scripts run unmodified."""
