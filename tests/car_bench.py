"""The simulated car alone, without sockets or time: its requests are answered from a table, but where a test says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secc.conversation import Effect, Received, Send
from secc.session.supported_app_protocol import ResponseCode, SupportedAppProtocolRes
from tools.evcc.behaviour import Behaviour
from tools.evcc.dialogue import STREAM, Dialogue, drive_in

Bend = Callable[[str, int], Any]
"""Takes a request's name without ``Req`` and how often it came; gives the answer, a whole Received, or None for silence."""


@dataclass(frozen=True)
class Answers:
    """A good station of one protocol: its answers by the request's name, the SchemaID that it chooses, its header."""

    good: Mapping[str, Any]
    schema_id: int
    header: Any

    def bending(self, name: str, answer: Any, *, times: int = 1) -> Bend:
        """All as it should be, but the nth answer to one request, and those after it."""

        def bend(request: str, count: int) -> Any:
            return answer if request == name and count >= times else self.good.get(request)

        return bend


class CarBench:
    """A car whose every request has its good answer, but where ``bend`` says otherwise."""

    def __init__(self, behaviour: Behaviour, answers: Answers, bend: Bend | None = None) -> None:
        self.now = 50.0
        self.bend = bend
        self.answers = answers
        self.dialogue: Dialogue = drive_in(behaviour, now=self.now)
        self.effects: list[Effect] = []
        self.said: list[Any] = []
        self.asked_at = 0.0

    @property
    def names(self) -> list[str]:
        return [type(body).__name__.removesuffix("Req") for body in self.said]

    @property
    def code(self) -> str:
        ended = self.dialogue.session.ended
        assert ended is not None
        return ended.code

    def run(self, seconds: float = 400.0) -> Any:
        self._take(self.dialogue.session.begin(self.now))
        return self.go_on(seconds)

    def go_on(self, seconds: float = 400.0) -> Any:
        session = self.dialogue.session
        end = self.now + seconds
        while session.ended is None:
            assert session.deadline is not None
            self.now = session.deadline.at
            assert self.now < end, f"the car still waits after {seconds} s: {self.names[-5:]}"
            self._take(session.expire(self.now))
        return self

    def hear(self, event: Any) -> None:
        self._take(self.dialogue.session.receive(event, self.now))

    def _take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Send) and self.dialogue.session.ended is None:
                self._answer(effect.message)

    def _answer(self, message: Any) -> None:
        self.asked_at = self.now
        if not hasattr(message, "body"):
            self.said.append(message)
            chosen = SupportedAppProtocolRes(
                response_code=ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=self.answers.schema_id
            )
            answer = None if self.bend is None else self.bend("SupportedAppProtocol", 1)
            self._hear(answer or chosen)
            return
        self.said.append(message.body)
        name = self.names[-1]
        bent = self.bend(name, self.names.count(name)) if self.bend is not None else self.answers.good[name]
        if bent is not None:
            self._hear(bent)

    def _hear(self, answer: Any) -> None:
        self.now += 0.01
        if not isinstance(answer, Received):
            negotiated = isinstance(answer, SupportedAppProtocolRes)
            answer = Received(STREAM, answer, None if negotiated else self.answers.header)
        self.hear(answer)
