"""Verifies a proof of `blotter prove`, independently of the code that made it. Implements docs/seals.md.

    pip install cryptography
    python3 verify_proof.py proof.json PUBLIC_KEY
"""

import json
import sys
from datetime import datetime, timezone
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def check(holds, failure):
    # Not an assert statement, which python -O skips.
    if not holds:
        sys.exit(f"not proven: {failure}")


def time(text):
    passed = datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH
    return integer((passed.days * 86400 + passed.seconds) * 1_000_000 + passed.microseconds)


def integer(value):
    return value.to_bytes(8, "big", signed=True)


def decimal(text):
    plain = format(Decimal(text), "f")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain).encode()


def uuid(text):
    return UUID(text).bytes


def boolean(value):
    return bytes([value])


def field(value):
    return b"\x01" + len(value).to_bytes(4, "big") + value


def pairs(value):
    encoded = sorted((name.encode(), text.encode()) for name, text in value.items())
    return b"".join(field(name) + field(text) for name, text in encoded)


# The letter of each record, and its fields in their order, with their types; text if none is given.
RECORDS = {
    "log": (b"L", "id:uuid order_id:uuid trader_id:uuid action status timestamp:time reason "
            "retry_attempt:integer error_code created_at:time fill_id:uuid venue_order_id acted_by "
            "acted_as break_id:uuid reported_at:time report_id:uuid"),
    "terms": (b"O", "id:uuid trader_id:uuid symbol quantity:integer order_type price:decimal "
              "stop_loss:decimal take_profit:decimal created_at:time expires_at:time side "
              "client_order_id replaces:uuid root_id:uuid trading_day account time_in_force "
              "limit_price:decimal currency received_at:time instructions:pairs"),
    "fill": (b"F", "id:uuid order_id:uuid timestamp:time quantity_filled:integer price_at_fill:decimal "
             "venue commission:decimal created_at:time trader_id:uuid execution_id amends:uuid "
             "is_bust:boolean break_id:uuid root_id:uuid source rebate:decimal"),
    "break": (b"B", "id:uuid reason detail order_id:uuid trader_id:uuid venue execution_id refers_to "
              "is_bust:boolean timestamp:time quantity:decimal price:decimal commission:decimal raw "
              "created_at:time acted_by acted_as client_order_id source rebate:decimal"),
    "resolution": (b"R", "id:uuid break_id:uuid is_booked:boolean order_id:uuid trader_id:uuid "
                   "fill_id:uuid reason created_at:time acted_by acted_as"),
}
KINDS = {"uuid": uuid, "time": time, "integer": integer, "decimal": decimal, "boolean": boolean,
         "pairs": pairs, "": str.encode}


def leaf(entry):
    """Returns the leaf hash of an entry and the rows that it attests."""
    content = b"\x01"
    for name, (tag, fields) in RECORDS.items():
        if name not in entry:
            continue
        content += tag + b"\x01"
        for column in fields.split():
            column, _, kind = column.partition(":")
            value = entry[name][column]
            content += b"\x00" if value is None else field(KINDS[kind](value))
    return sha256(b"\x00" + content).digest()


def root_from_proof(hash, index, leaves, proof):
    """Returns the root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    last = leaves - 1
    for sibling in map(bytes.fromhex, proof):
        check(last > 0, "the inclusion proof is too long")
        if index % 2 or index == last:
            hash = sha256(b"\x01" + sibling + hash).digest()
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            hash = sha256(b"\x01" + hash + sibling).digest()
        index, last = index // 2, last // 2
    check(last == 0, "the inclusion proof is too short")
    return hash


def message(seal):
    """Returns the message that is signed as the seal."""
    return (
        b"tradeblotter seal" + seal["scheme"].to_bytes(2, "big") + integer(seal["id"])
        + bytes.fromhex(seal["previous"]) + integer(len(seal["covered"]))
        + b"".join(integer(first) + integer(last) for first, last in seal["covered"])
        + integer(seal["settled"]) + seal["entries"].to_bytes(4, "big") + bytes.fromhex(seal["root"])
        + time(seal["sealed_at"]) + bytes.fromhex(seal["public_key"])
    )


def main(path, public_key):
    proof = json.load(open(path))
    entry, seal = proof["entry"], proof["seal"]
    check(seal["scheme"] == 1, "the scheme of the seal is not 1")
    check(seal["public_key"] == public_key, "the seal is signed with another key")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    key.verify(bytes.fromhex(seal["signature"]), message(seal))
    number = entry["log"]["sequence"]
    covered = [n for first, last in seal["covered"] for n in range(first, last + 1)]
    check(len(covered) == seal["entries"], "the seal states another number of entries")
    check(number in covered, "the seal does not cover the entry")
    root = root_from_proof(leaf(entry), covered.index(number), len(covered), proof["path"])
    check(root.hex() == seal["root"], "the entry is not what was sealed")
    print(f"entry {number} is as it was sealed at {seal['sealed_at']}")


if len(sys.argv) != 3:
    sys.exit("usage: verify_proof.py PROOF PUBLIC_KEY")
main(*sys.argv[1:])
