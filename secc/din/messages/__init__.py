"""Messages of DIN SPEC 70121, one class a complex type of the XSD, and the codec of their schema set."""

from __future__ import annotations

from secc.din.messages.charging import *
from secc.din.messages.common import *
from secc.din.messages.contract import *
from secc.din.messages.enumerations import *
from secc.din.messages.message import BODY_ELEMENTS, MessageHeader, Notification, V2G_Message
from secc.din.messages.names import GLOBALS, VOCABULARY
from secc.din.messages.setup import *
from secc.din.messages.states import *
from secc.exi import Schema

SCHEMA: Schema[V2G_Message] = Schema("din", roots=(V2G_Message,), globals_=GLOBALS, vocabulary=VOCABULARY)
"""The codec of DIN SPEC 70121."""
