"""The verdict on a contract that the car has proved."""

from __future__ import annotations

from secc.conversation import Party, Ticket
from secc.session.effects import Identify, Verdict
from secc.session.proof import ProvedContract


class ContractVerdict:
    """The open question about a proved contract. Its answer leaves the session once, as
    :class:`Identify`.

    If the session does not wait for the backend (a card was faster, the station is free), the
    answer may come while the session runs; the station then gets it with the next request. The
    contract is dropped with the session.
    """

    def __init__(self, secc: Party, contract: ProvedContract, question: Ticket[Verdict]) -> None:
        self._secc, self._contract, self._question = secc, contract, question
        self._told = False
        self._request = secc.request
        secc.look(self._look)

    def now(self) -> Verdict | None:
        """Returns the verdict, and emits Identify once; None while it is open."""
        verdict = self._secc.answer(self._question)
        if verdict is not None and not self._told:
            self._told = True
            self._secc.do(Identify(self._contract, verdict))
        return verdict

    def _look(self) -> None:
        if not self._told and self._secc.request is not self._request:
            self._request = self._secc.request
            self.now()
