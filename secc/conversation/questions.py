"""The questions of one conversation: each has a ticket, and an answer fits its own ticket only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from secc.conversation.vocabulary import Abandon, Answered, Ask, Effect, Question, Ticket

A = TypeVar("A")


class Questions:
    """Questions that were not abandoned, open or answered. ``effects`` collects the effects."""

    def __init__(self, numbers: Iterator[int], effects: list[Effect]) -> None:
        self.numbers = numbers
        self._effects = effects
        self._answers: dict[Ticket[Any], Answered | None] = {}

    def ask(self, question: Question[A]) -> Ticket[A]:
        ticket: Ticket[A] = Ticket(next(self.numbers), type(question).__name__)
        self._answers[ticket] = None
        self._effects.append(Ask(ticket, question))
        return ticket

    def abandon(self, ticket: Ticket[Any]) -> None:
        if ticket in self._answers and self._answers.pop(ticket) is None:
            self._effects.append(Abandon(ticket))

    def abandon_all(self) -> None:
        for ticket in tuple(self._answers):
            self.abandon(ticket)

    def answer(self, ticket: Ticket[A]) -> A | None:
        answered = self._answers.get(ticket)
        return None if answered is None else answered.answer

    def answered(self, ticket: Ticket[Any]) -> Answered | None:
        """Returns the event, because an answer may be None."""
        return self._answers.get(ticket)

    def waits(self, ticket: Ticket[Any]) -> bool:
        """Whether the question is open."""
        return ticket in self._answers and self._answers[ticket] is None

    def take(self, answered: Answered) -> None:
        self._answers[answered.ticket] = answered
