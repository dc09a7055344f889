"""Stands for the program of this name in KServe's image, which is not on PyPI: the same command line and protocol."""
