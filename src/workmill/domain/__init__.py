"""What a job is and may become. Pure: no I/O, no clock of its own, no other room imported."""
