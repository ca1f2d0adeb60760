"""Matching of car and outlet over the power line: ISO 15118-3 chapter 9, frames and conversations,
without a socket.
"""
