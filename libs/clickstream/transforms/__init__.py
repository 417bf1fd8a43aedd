"""DataFrame -> DataFrame; nothing is read or written here."""
