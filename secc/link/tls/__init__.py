"""TLS of ISO 15118 on the system's libssl: contexts, connections, and the reading of a ClientHello
before libssl gets it.
"""
