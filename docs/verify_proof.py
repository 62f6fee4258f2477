"""Verifies a proof of `blotter prove`, independently of the code that made it. Implements docs/seals.md.

    python3 verify_proof.py fill.tlog-proof PUBLIC_KEY

Needs Python 3.8 or later and nothing else: Ed25519 (RFC 8032) is below, written to be read and not to be fast.
"""

import json
import sys
from base64 import b64decode, b64encode
from hashlib import sha256, sha512


class NotProven(Exception):
    pass


def check(holds, failure):
    # Not an assert statement, which python -O skips.
    if not holds:
        raise NotProven(failure)


def base64(text):
    """Decodes base64 in its only valid notation."""
    try:
        decoded = b64decode(text, validate=True)
    except ValueError as why:
        raise NotProven(f"{text!r} is not base64") from why
    check(b64encode(decoded).decode() == text, f"{text!r} is not base64")
    return decoded


def number(text):
    """Decodes a decimal number in its only valid notation."""
    check(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text!r} is not a number")
    return int(text)


# Ed25519: the curve -x² + y² = 1 + D x² y² over the integers modulo P, whose base point B has the order L.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def x_of(y, is_odd):
    """Returns the x of the point with this y; none if there is none."""
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - squared) % P or x == 0 and is_odd:
        return None
    return P - x if x % 2 != is_odd else x


def add(a, b):
    """Adds two points in extended coordinates (x, y, z, t): x/z and y/z, with t = xy/z."""
    s = (a[1] - a[0]) * (b[1] - b[0]) % P
    t = (a[1] + a[0]) * (b[1] + b[0]) % P
    u = 2 * D * a[3] * b[3] % P
    v = 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor, point):
    product = (0, 1, 1, 0)
    while factor:
        if factor % 2:
            product = add(product, point)
        point = add(point, point)
        factor //= 2
    return product


def point(encoded):
    """Decodes a point: its y in 255 bits, least first, and one bit that says whether x is odd."""
    bits = int.from_bytes(encoded, "little")
    y, is_odd = bits % 2**255, bits >> 255
    x = x_of(y, is_odd) if y < P else None
    check(x is not None, "a point of the signature or of the key is not on the curve")
    return x, y, 1, x * y % P


B_Y = 4 * pow(5, P - 2, P) % P
B = (x_of(B_Y, 0), B_Y, 1, x_of(B_Y, 0) * B_Y % P)


def is_signed(key, message, signature):
    """Returns whether the signature of the message is one of this public key."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(sha512(r + key + message).digest(), "little") % L
    left, right = times(s, B), add(point(r), times(k, point(key)))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


def root_from_proof(hash, index, leaves, proof):
    """Returns the root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    check(index < leaves, "the tree has no such leaf")
    last = leaves - 1
    for sibling in proof:
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


def unique(pairs):
    names = [name for name, _ in pairs]
    check(len(set(names)) == len(names), "the record has a name twice")
    return dict(pairs)


def parse_record(line):
    """Parses a record, which is JSON in one notation only."""
    record = json.loads(line, object_pairs_hook=unique)
    written = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    check(written == line, "the record is not in the notation of docs/seals.md")
    check(record["scheme"] == 1, "the scheme of the record is not 1")
    return record


def verify(proof, public_key):
    """Returns the record of a proof and the lines of the checkpoint."""
    proof, _, note = proof.partition("\n\n")
    form, extra, index, *path = proof.split("\n")
    check(form == "c2sp.org/tlog-proof@v1", "it is not a proof")
    check(extra.startswith("extra ") and index.startswith("index "), "it has no record or no index")
    line = base64(extra[6:])
    path = [base64(hash) for hash in path]
    check(all(len(hash) == 32 for hash in path), "a hash has not 32 bytes")

    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root, *_ = head = text.splitlines()
    key = bytes.fromhex(public_key)
    key_id = sha256(origin.encode() + b"\n\x01" + key).digest()[:4]
    signed = False
    for signature in signatures.splitlines():
        dash, name, signature = signature.split(" ")
        check(dash == "—", "a line after the empty one is not a signature")
        signature = base64(signature)
        if name == origin and signature[:4] == key_id:
            signed = is_signed(key, text.encode(), signature[4:])
            check(signed and len(signature) == 68, "the signature of the checkpoint does not hold")
    check(signed, "the checkpoint is not signed with this key")

    leaf = sha256(b"\x00" + line).digest()
    root_of_proof = root_from_proof(leaf, number(index[6:]), number(size), path)
    check(root_of_proof == base64(root), "the record is not what was sealed")
    return parse_record(line.decode()), head


def main(path, public_key):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            record, head = verify(file.read(), public_key)
    except (NotProven, OSError, ValueError, KeyError) as why:
        sys.exit(f"not proven: {why}")
    # ASCII: a terminal must not be told anything by the record.
    print(json.dumps(record, indent=2))
    print(f"is as it was sealed: {head[-1]!a} by {head[0]!a}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: verify_proof.py PROOF PUBLIC_KEY")
    main(*sys.argv[1:])
