"""The HTTP service: parse, call one store verb, reply."""
