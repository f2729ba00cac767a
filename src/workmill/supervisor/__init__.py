"""Processes of one machine: started in stages, watched, replaced when they die, drained in
reverse."""
