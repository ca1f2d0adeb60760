"""What is left of a session: its trace, the record that ``secc explain`` reads, and what reason codes and quirks mean."""
