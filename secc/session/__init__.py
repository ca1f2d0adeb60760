"""What protocols share: events, effects, offer, negotiation, signatures, identification."""
