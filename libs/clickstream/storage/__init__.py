"""Where rows go, and what a run keeps meanwhile."""
