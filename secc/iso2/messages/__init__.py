"""Messages of ISO 15118-2:2014, one class a complex type of the XSD, and the codec of their schema
set.
"""

from __future__ import annotations

from secc.exi import Schema
from secc.iso2.messages.body import *
from secc.iso2.messages.charging import *
from secc.iso2.messages.datatypes import *
from secc.iso2.messages.enumerations import *
from secc.iso2.messages.message import BODY_ELEMENTS, MessageHeader, V2G_Message
from secc.iso2.messages.names import GLOBALS, VOCABULARY

SCHEMA: Schema[V2G_Message] = Schema("iso15118-2", roots=(V2G_Message,), globals_=GLOBALS, vocabulary=VOCABULARY)
"""The codec of ISO 15118-2."""
