"""Health and scaling policy, and the fleets it moves."""
