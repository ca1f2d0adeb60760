"""The verdict on a contract that the car has proved."""

from __future__ import annotations

from collections.abc import Callable

from secc.conversation import Party, Ticket
from secc.session.effects import Identify, Verdict
from secc.session.proof import ProvedContract


class ContractVerdict:
    """The open question about a proved contract. Its answer leaves the session once, as
    :class:`Identify`, and ``decided``, if given, is called with it.

    If the session does not wait for the backend (a card was faster, the station is free), the
    answer may come while the session runs; the station then gets it with the next request, or at
    once with ``decided``, which may end the session. The contract is dropped with the session.
    """

    def __init__(
        self,
        secc: Party,
        contract: ProvedContract,
        question: Ticket[Verdict],
        decided: Callable[[Verdict], None] | None = None,
    ) -> None:
        self._secc, self._contract, self._question, self._decided = secc, contract, question, decided
        self._told = False
        self.verdict: Verdict | None = None
        self.decided_at = secc.now
        """When the verdict was taken, monotonic seconds; until then, when it was asked for."""
        self._request = secc.request
        secc.look(self._look)

    @property
    def emaid(self) -> str:
        return self._contract.contract.emaid.text

    def now(self) -> Verdict | None:
        """Returns the verdict, and emits Identify once; None while it is open."""
        verdict = self._secc.answer(self._question)
        if verdict is not None and not self._told:
            self._told = True
            self._secc.do(Identify(self._contract, verdict))
            self.verdict, self.decided_at = verdict, self._secc.now
            if self._decided is not None:
                self._decided(verdict)
        return verdict

    def _look(self) -> None:
        if not self._told and (self._decided is not None or self._secc.request is not self._request):
            self._request = self._secc.request
            self.now()
