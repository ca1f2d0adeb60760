"""TLS of ISO 15118 on the system libssl: contexts, connections and what a ClientHello says before the library sees it."""
