"""What an operator asks of a machine without a running station (``secc check``, ``doctor``, ``trust``, ``clock``...), and what it rests on."""
