"""The running station: sockets, clocks and threads, and the drivers of the conversations, which
know none of these.
"""
