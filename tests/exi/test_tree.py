"""Trees of messages."""

from __future__ import annotations

from typing import Any

import pytest

from secc.errors import EncodeError
from secc.exi.tree import fragment_from_tree, from_tree, to_tree
from secc.iso2 import messages as iso2

SCHEMA = iso2.SCHEMA
HEADER = {"SessionID": {"$hex": "00"}}


def body(**content: Any) -> dict[str, Any]:
    return {"V2G_Message": {"Header": HEADER, "Body": content}}


def test_attributes_text_lists_and_octets() -> None:
    emaid = iso2.EMAID(id="id1", value="DEABCC123ABC56")
    assert to_tree(emaid, "eMAID") == {"eMAID": {"@Id": "id1", "#text": "DEABCC123ABC56"}}
    chain = iso2.CertificateChain(certificate=b"\x01", sub_certificates=iso2.SubCertificates(certificate=(b"\x02",)))
    tree = {
        "ContractSignatureCertChain": {
            "Certificate": {"$hex": "01"},
            "SubCertificates": {"Certificate": [{"$hex": "02"}]},
        }
    }
    assert to_tree(chain, "ContractSignatureCertChain") == tree
    assert fragment_from_tree(SCHEMA, tree) == ("ContractSignatureCertChain", chain)


def test_a_member_of_a_group_stands_under_its_own_name() -> None:
    tree = body(
        PowerDeliveryRes={
            "ResponseCode": "OK",
            "AC_EVSEStatus": {"NotificationMaxDelay": 0, "EVSENotification": "None", "RCD": False},
        }
    )
    message = from_tree(SCHEMA, tree)
    assert isinstance(message.body.evse_status, iso2.AC_EVSEStatus)
    assert to_tree(message) == tree


def test_an_empty_body() -> None:
    assert to_tree(from_tree(SCHEMA, body())) == body()


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        (None, "one key"),
        ({"SessionStopReq": {}}, "not a message"),
        ({"V2G_Message": {"Header": HEADER, "Body": {}, "Tail": 1}}, "Tail"),
        ({"V2G_Message": {"Body": {}}}, "header"),
        ({"V2G_Message": {"Header": {"SessionID": {"$hex": "0"}}, "Body": {}}}, "SessionID"),
        ({"V2G_Message": {"Header": {"SessionID": {"$hex": 0}}, "Body": {}}}, "SessionID"),
        (body(SessionStopReq={"ChargingSession": "Later"}), "ChargingSession"),
        (body(SessionStopReq={"ChargingSession": ["Pause"]}), "ChargingSession"),
        (body(ServiceDetailReq={"ServiceID": "1"}), "ServiceID"),
        (body(ServiceDetailReq={"ServiceID": True}), "ServiceID"),
        (body(ServiceDetailReq={"ServiceID": 1}, SessionStopReq={"ChargingSession": "Pause"}), "SessionStopReq"),
        (body(ServiceDetailReq=[]), "ServiceDetailReq"),
        (
            body(
                PaymentServiceSelectionReq={
                    "SelectedPaymentOption": "Contract",
                    "SelectedServiceList": {"SelectedService": {}},
                }
            ),
            "list",
        ),
    ],
)
def test_what_is_no_message(tree: Any, where: str) -> None:
    with pytest.raises(EncodeError, match=where):
        from_tree(SCHEMA, tree)
