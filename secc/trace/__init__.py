"""What remains of a session: its trace, the record for ``secc explain``, and the meanings of reason
codes and quirks.
"""
