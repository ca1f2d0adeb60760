"""Commands of an operator that need no running station (``secc check``, ``doctor``, ``trust``,
``clock``...), and what they share with the station.
"""
