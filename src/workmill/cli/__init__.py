"""The command line: arguments in, words out. What is done is done in the rooms below."""
