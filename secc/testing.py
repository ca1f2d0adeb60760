"""A pytest fixture for other projects: a station on free ports in a simulated world."""
