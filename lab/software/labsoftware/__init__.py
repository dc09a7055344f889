"""Builds the software that the lab's virtual Pis install: packages, images and tools from upstream's Go modules."""
