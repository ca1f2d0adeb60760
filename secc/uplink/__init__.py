"""The backend: what a station asks it (``port``), the decision table (``policy``), and the one that needs no network (``standalone``)."""
