"""``python -m local sql``: Athena's SQL, answered by the engine that Athena is made of, Trino 406, over a lake."""
