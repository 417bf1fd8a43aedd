"""``python -m local report``: a page that shows what is in a lake's tables, for a browser without a network."""
