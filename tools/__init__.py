"""What the Makefile calls. Run from the repository's root as `python -m tools.<name>`."""
