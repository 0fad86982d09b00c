"""The command line: `python -m hvae_ref`, its commands and the recipes that they run."""
