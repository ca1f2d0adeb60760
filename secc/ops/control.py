"""The client of a station's control socket (:mod:`secc.station.control` is the server): request and
answer are a line with a JSON object each.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from secc.errors import SeccError


class ControlError(SeccError):
    """A request cannot be done; the text is the answer."""


def ask(path: Path, request: Mapping[str, Any], *, seconds: float = 5.0) -> dict[str, Any]:
    """Send one request. Returns the answer. Raises ControlError for a refusal, or without an
    answer.
    """
    for answer in listen(path, request, seconds=seconds):
        if not answer.get("ok", False):
            raise ControlError(str(answer.get("error", "refused without a reason")))
        return answer
    raise ControlError("the station hung up")


def listen(path: Path, request: Mapping[str, Any], *, seconds: float | None = None) -> Iterator[dict[str, Any]]:
    """Send one request. Yields each line of the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as lines:
                for line in lines:
                    yield json.loads(line)
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(f"no station is running at {path}") from None
        except PermissionError:
            raise ControlError(f"no permission to open {path}") from None
        except (OSError, ValueError) as error:
            raise ControlError(f"control socket {path}: {error}") from error
