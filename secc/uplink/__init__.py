"""The backend: its interface (``port``), the decision table (``policy``), and the one without a
network (``standalone``).
"""
