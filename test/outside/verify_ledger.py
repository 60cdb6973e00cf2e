#!/usr/bin/env python3
"""Verify what a cims ledger gives out, with Python's standard library alone.

    verify_ledger.py checkpoint  --key KEY CHECKPOINT
    verify_ledger.py export      --key KEY DIRECTORY [--held CHECKPOINT]
    verify_ledger.py receipt     --key KEY RECEIPT [--held CHECKPOINT]
    verify_ledger.py consistency --key KEY OLD NEW PROOF

KEY is a verifier key, or the name of a file that holds one.  It must have come
to you by another way than what you verify.  CHECKPOINT, RECEIPT, OLD, NEW and
PROOF are files; "-" is standard input.  The exit status is 0 where everything
verifies, 1 where something does not, 2 where the command is not understood.

Nothing here is taken from the extension: this file reads the published formats.

    signed note      https://c2sp.org/signed-note
    checkpoint       https://c2sp.org/tlog-checkpoint
    export           https://c2sp.org/tlog-tiles
    receipt          https://c2sp.org/tlog-proof; "extra" is the entry, then its payload where there is one
    tree and proofs  RFC 6962 section 2.1
    signature        Ed25519, RFC 8032 section 5.1
    entry, payload   doc/internals.md of cims
"""
import argparse
import base64
import binascii
import datetime
import functools
import hashlib
import json
import os
import struct
import sys


class Refused(Exception):
    """What is offered does not verify; the text says why."""


# Ed25519 (RFC 8032 section 5.1): points in extended homogeneous coordinates

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    """Add two points."""
    u = (a[1] - a[0]) * (b[1] - b[0]) % P
    v = (a[1] + a[0]) * (b[1] + b[0]) % P
    w = 2 * a[3] * b[3] * D % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = v - u, z - w, z + w, v + u
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiply(scalar, point):
    """Multiply a point by a number."""
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_equal(a, b):
    """Tell whether two points are one."""
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_decode(data):
    """Read a point; raise Refused where the bytes are not the one encoding of one."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        raise Refused("a point of the signature is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Refused("a point of the signature is not on the curve")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


@functools.lru_cache(maxsize=64)
def ed25519_verify(public_key, message, signature):
    """Tell whether a signature is that of the key over the message."""
    if len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    try:
        a, r = point_decode(public_key), point_decode(signature[:32])
    except Refused:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(digest, "little") % L
    return point_equal(point_multiply(s, BASE), point_add(r, point_multiply(k, a)))


# Signed notes and checkpoints


def base64_decode(text):
    """Decode standard base64; exactly one text stands for each run of bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("what should be base64 is not") from None
    if base64.b64encode(data) != (text if isinstance(text, bytes) else text.encode()):
        raise Refused("base64 is not canonical")
    return data


def decimal(text):
    """Read a number without leading zeros."""
    if not text.isascii() or not text.isdigit() or (text[0] == "0" and text != "0") or len(text) > 19:
        raise Refused("what should be a number is not")
    return int(text)


def parse_key(text):
    """Read a verifier key: name, identifier, public key."""
    text = text.strip()
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    key = base64_decode(encoded)
    if not name or len(identifier) != 8 or len(key) != 33 or key[0] != 1:
        raise Refused("the verifier key is not one of Ed25519")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if identifier != expected.hex():
        raise Refused("the verifier key is damaged: its identifier is of another key")
    return name, expected, key[1:]


def verify_note(note, key):
    """Return the text of a signed note; raise Refused unless the key signed it."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("the note is not UTF-8") from None
    if any(ord(c) < 32 and c != "\n" for c in whole):
        raise Refused("the note holds control characters")
    split = whole.rfind("\n\n")
    if split < 0 or not whole.endswith("\n"):
        raise Refused("the note has no signatures")
    text, lines = whole[: split + 1], whole[split + 2 :].split("\n")[:-1]
    if not lines:
        raise Refused("the note has no signatures")
    name, identifier, public_key = key
    signed = False
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not parts[1] or "+" in parts[1]:
            raise Refused("a signature line of the note is malformed")
        signature = base64_decode(parts[2])
        if len(signature) < 5:
            raise Refused("a signature of the note is too short")
        if parts[1] == name and signature[:4] == identifier:
            if not ed25519_verify(public_key, text.encode(), signature[4:]):
                raise Refused("the signature of the note is false")
            signed = True
    if not signed:
        raise Refused("the note is not signed by this key")
    return text


def verify_checkpoint(note, key):
    """Return origin, size and root hash of a signed checkpoint."""
    lines = verify_note(note, key).split("\n")[:-1]
    if len(lines) < 3 or any(not line for line in lines):
        raise Refused("the note is no checkpoint")
    root = base64_decode(lines[2])
    if len(root) != 32:
        raise Refused("the root hash of the checkpoint has not 32 bytes")
    return lines[0], decimal(lines[1]), root


# The tree (RFC 6962 section 2.1)


def leaf_hash(entry):
    """Hash a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    """Hash an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_root(hashes):
    """Hash a tree, given the hashes of its leaves, or of complete subtrees of one size."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        paired = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = paired + hashes[len(paired) * 2 :]
    return hashes[0]


def verify_inclusion(index, size, leaf, proof, root):
    """Follow an inclusion proof (RFC 9162 section 2.1.3.2)."""
    if index >= size:
        raise Refused("the index lies outside the tree")
    if len(leaf) != 32 or len(root) != 32:
        raise Refused("a hash has not 32 bytes")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise Refused("the inclusion proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Refused("the inclusion proof is too short")
    if r != root:
        raise Refused("the inclusion proof leads to another root")


def verify_consistency(old_size, new_size, proof, old_root, new_root):
    """Follow a consistency proof (RFC 9162 section 2.1.4.2)."""
    if old_size > new_size:
        raise Refused(f"the tree has shrunk from {old_size} to {new_size} leaves")
    if old_size == 0:
        raise Refused("nothing is proven of an empty tree")
    if old_size == new_size:
        if old_root != new_root:
            raise Refused("two checkpoints of one size differ: the log has forked")
        if proof:
            raise Refused("the consistency proof is too long")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise Refused("the consistency proof is too short")
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise Refused("the consistency proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Refused("the consistency proof is too short")
    if fr != old_root or sr != new_root:
        raise Refused("the newer tree does not continue the older one: the log has forked")


def check_held(held, key, origin, size, root_of):
    """Compare a checkpoint that was held outside with the tree that is there now."""
    held_origin, held_size, held_root = verify_checkpoint(held, key)
    if held_origin != origin:
        raise Refused(f'the checkpoint held is of "{held_origin}", not of "{origin}"')
    if held_size > size:
        raise Refused(f"the tree has shrunk: the checkpoint held has {held_size} leaves, this one {size}")
    if root_of(held_size) != held_root:
        raise Refused("the tree does not continue the checkpoint held: the log has forked")


# Exports: a dictionary from path to bytes, so that a test may alter one


def read_export(directory):
    """Read every file of an export."""
    files = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, directory).replace(os.sep, "/")] = file.read()
    return files


def tile_path(kind, index):
    """Name a tile or an entry bundle of tlog-tiles."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return f"tile/{kind}/" + "/".join(parts)


def parse_bundle(data):
    """Take an entry bundle apart."""
    entries, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise Refused("an entry bundle is cut")
        length = struct.unpack_from(">H", data, at)[0]
        at += 2
        if at + length > len(data):
            raise Refused("an entry bundle is cut")
        entries.append(data[at : at + length])
        at += length
    return entries


def take_tile(files, kind, index, width):
    """Take a tile or bundle, whole or partial, with the shorter versions of it that were left; those by their width."""
    path = tile_path(kind, index)
    found = files.pop(path, None) if width == 256 else files.pop(f"{path}.p/{width}", None)
    if found is None:
        raise Refused(f"{path} is missing for a tree of this size")
    older = {w: files.pop(f"{path}.p/{w}") for w in range(1, width) if f"{path}.p/{w}" in files}
    return found, older


def check_level(files, level, hashes):
    """Compare the tiles of one level with the hashes computed for it."""
    for index in range((len(hashes) + 255) // 256):
        expected = hashes[index * 256 : index * 256 + 256]
        data, older = take_tile(files, str(level), index, len(expected))
        if data != b"".join(expected):
            raise Refused(f"{tile_path(level, index)} does not hold the hashes of what is below it")
        if any(part != data[: 32 * w] for w, part in older.items()):
            raise Refused(f"a partial form of {tile_path(level, index)} does not agree with it")


def read_entries(files, size):
    """Read all entries of an export, in order."""
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        data, older = take_tile(files, "entries", index, width)
        bundle = parse_bundle(data)
        if len(bundle) != width:
            raise Refused(f"{tile_path('entries', index)} holds {len(bundle)} entries instead of {width}")
        if any(parse_bundle(part) != bundle[:w] for w, part in older.items()):
            raise Refused(f"a partial form of {tile_path('entries', index)} does not agree with it")
        entries += bundle
    return entries


def verify_export(files, key, held=None):
    """Verify every byte of an export; return origin, size, and the entries taken apart."""
    files = dict(files)
    if "checkpoint" not in files:
        raise Refused("the export has no checkpoint")
    origin, size, root = verify_checkpoint(files.pop("checkpoint"), key)
    entries = read_entries(files, size)
    leaves = [leaf_hash(entry) for entry in entries]
    level, hashes = 0, leaves
    while hashes:
        check_level(files, level, hashes)
        hashes = [tree_root(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    if files:
        raise Refused(f"{sorted(files)[0]} is no part of an export of {size} entries")
    if tree_root(leaves) != root:
        raise Refused("the entries do not lead to the root hash of the checkpoint")
    if held is not None:
        check_held(held, key, origin, size, lambda n: tree_root(leaves[:n]))
    return origin, size, [parse_entry(entry) for entry in entries]


# Receipts


def parse_proof(data):
    """Take a tlog-proof apart: extra data, index, hashes, checkpoint."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise Refused("the receipt holds no checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Refused("the receipt is not ASCII") from None
    if lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3:
        raise Refused("this is no receipt")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Refused("the receipt lacks its entry or its index")
    hashes = [base64_decode(line) for line in lines[3:]]
    if any(len(h) != 32 for h in hashes):
        raise Refused("a hash of the receipt has not 32 bytes")
    return base64_decode(lines[1][6:]), decimal(lines[2][6:]), hashes, checkpoint


def verify_receipt(data, key, held=None):
    """Verify a receipt; return its checkpoint, index, entry, and payload where it carries one."""
    extra, index, hashes, note = parse_proof(data)
    origin, size, root = verify_checkpoint(note, key)
    entry, payload = extra[:ENTRY.size], extra[ENTRY.size :]
    fields = parse_entry(entry)
    verify_inclusion(index, size, leaf_hash(entry), hashes, root)
    if payload and hashlib.sha256(payload).digest() != fields["digest"]:
        raise Refused("the payload is not the one that the entry names")
    if held is not None and verify_checkpoint(held, key) != (origin, size, root):
        raise Refused("the receipt is of another checkpoint than the one held; ask for a consistency proof")
    return (origin, size), index, fields, parse_payload(payload) if payload else None


# Entries and payloads

ENTRY = struct.Struct(">BcHqQqq32s")
TEXT_FIELDS = {"S": "session_user", "U": "current_user", "A": "actor", "C": "client", "P": "application", "D": "detail"}


def parse_entry(entry):
    """Take an entry apart."""
    if len(entry) != ENTRY.size or entry[0] != 1:
        raise Refused("an entry is of an unknown version")
    _, operation, flags, descriptor, xid, seq, at, digest = ENTRY.unpack(entry)
    if flags:
        raise Refused("an entry has unknown flags")
    return {"operation": operation.decode("ascii", "replace"), "descriptor": descriptor, "xid": xid, "seq": seq,
            "at": at, "digest": digest}


def take_number(data, at):
    """Read an LEB128 number; return it and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 28:
            raise Refused("a number of the payload is malformed")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            if byte == 0 and shift > 7:
                raise Refused("a number of the payload is not canonical")
            return value, at


def take_bytes(data, at):
    """Read bytes after their length; return them and where they end."""
    length, at = take_number(data, at)
    if at + length > len(data):
        raise Refused("the payload is cut")
    return data[at : at + length], at + length


def parse_image(data):
    """Take the image of a row apart: column number to text, None, or bytes in hexadecimal with their kind."""
    values, at = {}, 0
    while at < len(data):
        number, at = take_number(data, at)
        kind, at = data[at : at + 1], at + 1
        if kind == b"n":
            values[number] = None
            continue
        value, at = take_bytes(data, at)
        if kind == b"t":
            values[number] = value.decode("utf-8", "replace")
        elif kind in (b"s", b"h"):
            values[number] = {"sealed" if kind == b"s" else "hash": value.hex()}
        else:
            raise Refused("a value of the payload is of an unknown kind")
    return values


def parse_payload(payload):
    """Take a payload apart; the first 32 bytes are its salt."""
    if len(payload) < 33 or payload[32] != 1:
        raise Refused("the payload is of an unknown version")
    fields, at = {}, 33
    while at < len(payload):
        tag, at = chr(payload[at]), at + 1
        value, at = take_bytes(payload, at)
        if tag in TEXT_FIELDS:
            fields[TEXT_FIELDS[tag]] = value.decode("utf-8", "replace")
        elif tag == "V":
            fields["actor_verified"] = value == b"\1"
        elif tag == "Q":
            fields["query_id"] = int.from_bytes(value, "big", signed=True)
        elif tag in "KON":
            fields[{"K": "key", "O": "old", "N": "new"}[tag]] = parse_image(value)
        else:
            raise Refused("a field of the payload is unknown")
    return fields


# The command


def read(name):
    """Read a file, or standard input, less the newline that psql puts after a text that ends in one."""
    if name == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(name, "rb") as file:
            data = file.read()
    return data[:-1] if data.endswith(b"\n\n") else data


def read_key(argument):
    """Read a verifier key from the command line or a file."""
    return parse_key(open(argument, encoding="utf-8").read() if os.path.exists(argument) else argument)


def run(arguments):
    """Do what the command line asks; return what to print."""
    key = read_key(arguments.key)
    held = read(arguments.held) if getattr(arguments, "held", None) else None
    if arguments.what == "checkpoint":
        origin, size, root = verify_checkpoint(read(arguments.file), key)
        return f"{origin}: {size} entries, root {root.hex()}"
    if arguments.what == "export":
        origin, size, _ = verify_export(read_export(arguments.directory), key, held)
        return f"{origin}: {size} entries" + (", continuing the checkpoint held" if held else
                                              "; no checkpoint from outside was given, so only its own key vouches for it")
    if arguments.what == "receipt":
        (origin, size), index, entry, payload = verify_receipt(read(arguments.file), key, held)
        when = datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(microseconds=entry.pop("at"))
        entry["digest"] = entry["digest"].hex()
        text = json.dumps({"at": when.isoformat(), **entry, **(payload or {})}, ensure_ascii=False, indent=2)
        return f"{origin}: entry {index} of {size}\n{text}"
    old, new = verify_checkpoint(read(arguments.old), key), verify_checkpoint(read(arguments.new), key)
    if old[0] != new[0]:
        raise Refused(f'"{new[0]}" is another log than "{old[0]}"')
    proof = [base64_decode(line) for line in read(arguments.proof).split()]
    verify_consistency(old[1], new[1], proof, old[2], new[2])
    return f"{new[0]}: {old[1]} entries were continued to {new[1]}"


def main():
    """Read the command line, verify, report."""
    parser = argparse.ArgumentParser(description="Verify what a cims ledger gives out.")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, files in (("checkpoint", ["file"]), ("export", ["directory"]), ("receipt", ["file"]),
                        ("consistency", ["old", "new", "proof"])):
        command = commands.add_parser(name)
        command.add_argument("--key", required=True, help="verifier key, or a file that holds it")
        if name in ("export", "receipt"):
            command.add_argument("--held", help="a checkpoint that was held outside")
        for file in files:
            command.add_argument(file)
    try:
        print("verified: " + run(parser.parse_args()))
    except Refused as refusal:
        print(f"REFUSED: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"REFUSED: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
