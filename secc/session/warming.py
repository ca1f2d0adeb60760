"""Compiles codec and facets of one protocol ahead of their first use, so that the first answer is as
quick as the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secc.exi.schema import Schema
from secc.session.facets import Facets


def responses(bodies: Iterable[type[Any]]) -> dict[type[Any], type[Any]]:
    """Returns the response type of each request type, by their names."""
    named = {body.__name__: body for body in bodies}
    return {body: named[f"{name[:-3]}Res"] for name, body in named.items() if name.endswith("Req")}


class Warming:
    """The codec of one protocol, whose root element is ``message``.

    ``responses``: the response type of each request type; ``loop``: the requests that come while
    the contactor is closed; ``signed``: those whose signature is verified.
    """

    def __init__(
        self,
        schema: Schema[Any],
        message: type[Any],
        facets: Facets,
        responses: Mapping[type[Any], type[Any]],
        *,
        loop: tuple[type[Any], ...],
        signed: tuple[type[Any], ...] = (),
    ) -> None:
        self.schema, self._message, self._facets = schema, message, facets
        self._responses, self._loop, self._signed = responses, loop, signed

    def warm(self) -> None:
        """Compile the loop's messages."""
        self.schema.warm(reads=(self._message,), writes=(self._message,))
        for request in self._loop:
            self.prepare(request)

    def warm_rest(self) -> Iterator[None]:
        """Compile every message, what is around them, a request with its response in each step, and
        then the readers of responses, which traces need.
        """
        self.schema.warm(reads=(self._message,))
        yield
        self.schema.warm(writes=(self._message,))
        yield
        for request in self._responses:
            self.prepare(request)
            yield
        for response in self._responses.values():
            self.schema.warm(reads=(response,))
            yield

    def prepare(self, request: type[Any]) -> None:
        """Compile the response of a request type, then its reader: a request that is read on the
        event loop is also answered without compiling.
        """
        response = self._responses.get(request)
        if response is None:
            return
        self.schema.warm(writes=(response,))
        self._facets.warm(request)
        if request in self._signed:
            self.schema.warm(spans=(self._message, request))
        self.schema.warm(reads=(request,))
