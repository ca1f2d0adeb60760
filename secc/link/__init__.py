"""Octets in, messages and octets out: V2GTP, SDP, the ClientHello, TLS. No sockets, no clock, no
asyncio: the station has those.
"""
