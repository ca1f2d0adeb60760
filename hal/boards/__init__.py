"""Drivers for boards that have the pilot: behind a safety controller on a serial line, or Linux
alone. ``docs/boards.md`` has them.
"""
