"""The embedded store: one file, one owner."""
