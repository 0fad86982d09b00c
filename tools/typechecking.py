"""The checker that tests put behind every annotation of hvae_ref: beartype, where an int is a number like any other."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
