"""What all protocols share: the station's words, the offer, negotiation, signatures, who may charge."""
