"""One function per file (``transform`` has two), without Spark; one zip holds them, ``simulator`` and the library."""
