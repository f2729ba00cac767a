"""Composition: plain settings in, running processes out. The only room that names a store."""
