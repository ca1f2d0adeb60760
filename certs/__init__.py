"""Trust: whose certificate this is, whether it holds, and where ours and the installed roots lie.

Knows no protocol and no event loop. Everything that is wrong with octets from outside is a :class:`TrustError`.
"""
