"""Trust: certificates, their validation, the station's chains and the installed roots.

Knows neither protocol nor event loop. Every error in octets from outside is a :class:`TrustError`.
"""
