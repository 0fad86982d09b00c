"""Builders of the usual nets: what `dense` and `convolutional` hand to the models' constructors."""
