#!/usr/bin/env python3
"""Test verify_ledger.py: by published vectors, and by altering what it accepts.

    test_verify_ledger.py [--vectors DIRECTORY] [--key KEY --export DIRECTORY [--receipt FILE]]

Prints TAP.  Of an export and a receipt every byte is flipped in turn, and every
file left out, cut and lengthened: nothing of that may be accepted.
"""
import argparse
import base64
import json
import os

import verify_ledger as v

count = failed = 0

# RFC 8032 section 7.1, tests 1 and 2, for machines without the published vectors
ED25519 = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
)


def check(condition, name):
    """Print one line of TAP."""
    global count, failed
    count += 1
    failed += not condition
    print(f"{'ok' if condition else 'not ok'} {count} - {name}")


def refuses(function, *arguments):
    """Tell whether a function refuses."""
    try:
        function(*arguments)
    except v.Refused:
        return True
    return False


def hashes(texts):
    """Decode the hashes of a vector."""
    return [base64.b64decode(text) for text in texts or []]


def check_proofs(directory):
    """Run the RFC 6962 vectors."""
    for case in map(json.loads, open(os.path.join(directory, "merkle_inclusion.jsonl"), encoding="utf-8")):
        root, leaf = hashes([case["root"], case["leafHash"]])
        refused = refuses(v.verify_inclusion, case["leafIdx"], case["treeSize"], leaf, hashes(case["proof"]), root)
        check(refused == case["wantErr"], f"{case['case']}: {case['desc']}")
    for case in map(json.loads, open(os.path.join(directory, "merkle_consistency.jsonl"), encoding="utf-8")):
        old, new = hashes([case["root1"], case["root2"]])
        refused = refuses(v.verify_consistency, case["size1"], case["size2"], hashes(case["proof"]), old, new)
        check(refused == case["wantErr"], f"{case['case']}: {case['desc']}")


def check_signatures(directory):
    """Run the Ed25519 vectors and the signed note."""
    for group in json.load(open(os.path.join(directory, "ed25519.json"), encoding="utf-8"))["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        wrong = [test["tcId"] for test in group["tests"]
                 if v.ed25519_verify(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])) != (test["result"] == "valid")]
        check(not wrong, f"ed25519: {len(group['tests'])} signatures of one key {wrong or ''}")
    note = json.load(open(os.path.join(directory, "signed_note.json"), encoding="utf-8"))
    key = v.parse_key(note["vkey"])
    check(v.verify_note(note["note"].encode(), key) + "" == note["note"].split("\n\n")[0] + "\n", "signed note")
    check_flips("signed note", note["note"].encode(), lambda data: v.verify_note(data, key))


def altered(data):
    """Yield every single-byte change of the data, and it cut and lengthened."""
    for at in range(len(data)):
        for bit in (1 << at % 8, 255):
            yield at, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    yield "cut", data[:-1]
    yield "lengthened", data + b"\n"
    yield "lengthened", data + b"\0"


def check_flips(name, data, accept):
    """Alter data in every place; nothing may be accepted."""
    accepted = [at for at, changed in altered(data) if not refuses(accept, changed)]
    check(not accepted, f"{name}: {len(data)} bytes altered one by one {accepted[:5] or ''}")


def is_outgrown(path, files):
    """Tell whether a partial tile has a successor; it may be deleted then."""
    tile, partial, width = path.partition(".p/")
    return partial and (tile in files or any(name.startswith(tile + partial) and int(name[len(tile + partial) :]) > int(width)
                                             for name in files))


def check_export(directory, key):
    """Accept an export; refuse it after any change of it."""
    files = v.read_export(directory)
    _, size, entries = v.verify_export(files, key)
    check(size > 0 and size == len(entries), f"export: {size} entries accepted")
    for path, data in sorted(files.items()):
        check_flips(f"export: {path}", data, lambda changed: v.verify_export({**files, path: changed}, key))
        if not is_outgrown(path, files):
            without = {name: held for name, held in files.items() if name != path}
            check(refuses(v.verify_export, without, key), f"export: refused without {path}")
    check(refuses(v.verify_export, {**files, "tile/entries/x009/000": b""}, key), "export: refused with a file too many")


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    for option in ("vectors", "key", "export", "receipt"):
        parser.add_argument(f"--{option}")
    arguments = parser.parse_args()
    for key, message, signature in ED25519:
        parts = [bytes.fromhex(text) for text in (key, message, signature)]
        check(v.ed25519_verify(*parts), "ed25519: RFC 8032 section 7.1")
        check(not v.ed25519_verify(parts[0], parts[1] + b"x", parts[2]), "ed25519: another message")
    if arguments.vectors and os.path.isdir(arguments.vectors):
        check_proofs(arguments.vectors)
        check_signatures(arguments.vectors)
    if arguments.export:
        check_export(arguments.export, v.read_key(arguments.key))
    if arguments.receipt:
        key, receipt = v.read_key(arguments.key), v.read(arguments.receipt)
        check(not refuses(v.verify_receipt, receipt, key), "receipt: accepted")
        check_flips("receipt", receipt, lambda changed: v.verify_receipt(changed, key))
    print(f"1..{count}")
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main())
