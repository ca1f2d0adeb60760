"""Tools for the lab: a simulated car, decoders, the lab PKI."""
