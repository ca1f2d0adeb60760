"""``make bench``: speed and cost of the station, and those of another station in the same run.

``python -m tools.bench [--quick] [--only NAME ...] [--json FILE]``; docs/performance.md explains the figures.
"""
