"""EXI codec for V2G: messages are declarations, readers and writers are compiled from them.

A message is a frozen dataclass whose annotations carry the facts of the XSD
(:mod:`secc.exi.declarations`); a :class:`Schema` is a set of such declarations and the names that
its grammars count. Source of the wire rules: W3C EXI 1.0 in the profile of ISO 15118 and DIN SPEC
70121 (bit-packed, default fidelity, not strict, string table without capacity).
"""

from __future__ import annotations

from secc.exi.declarations import Message
from secc.exi.fragments import Span
from secc.exi.schema import Schema

__all__ = ["Message", "Schema", "Span"]
