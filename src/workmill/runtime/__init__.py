"""Configuration and composition: the only room that names concrete stores and fleets."""
