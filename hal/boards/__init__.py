"""Drivers for boards with a safety controller of their own, on a serial line. ``docs/boards.md`` says how to bring them up."""
