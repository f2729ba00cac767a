"""What client and endpoint say to each other: paths, message structs, codecs."""
