#!/usr/bin/env python3
"""Verifies a fundledger bundle of version 3 with nothing but this file and Python from 3.8 on (docs/format.md, Bundle).

    python3 verify_bundle.py BUNDLE [--key KEY]... [--checkpoint FILE]... [--policy FILE]

--key is a public key of the log, --checkpoint a checkpoint that you kept, --policy your C2SP tlog-policy: what makes this
more than "the file agrees with itself" comes from you, never from the bundle. It stops at the first thing that is wrong.
Exit status: 0 verified (read whether anchored), 1 broken, 2 usage, 3 unreadable or incomplete."""
import argparse, base64, hashlib, json, re, struct, sys, zlib

class Stop(Exception):
    """Ends the verification: BROKEN by what it says, or INCOMPLETE where the bundle cannot be read to its end."""
BROKEN, INCOMPLETE = 1, 3
def check(is_right, message, verdict=BROKEN):
    if not is_right:
        raise Stop(message, verdict)

# ---- Ed25519 (RFC 8032), verification only and strict: no points of small order, one way to write each number ----
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)  # of the curve; a square root of -1

def point(data):
    """A point as (x, y, z, t) with x·y = z·t; ValueError if the 32 bytes are none."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT % P
    if len(data) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    x = x if x % 2 == sign else P - x
    return x, y, 1, x * y % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
def times(number, p):
    product = (0, 1, 1, 0)
    while number:
        product, p, number = add(product, p) if number % 2 else product, add(p, p), number // 2
    return product
def is_same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0
def is_small(p):
    return is_same(times(8, p), (0, 1, 1, 0))
BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def is_signed(key, message, signature):
    """Whether the signature over the message is the key's: s·B = R + k·A."""
    try:
        r, a, s = point(signature[:32]), point(key), int.from_bytes(signature[32:], "little")
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    is_strict = len(signature) == 64 and s < L and not is_small(r) and not is_small(a)
    return is_strict and is_same(times(s, BASE), add(r, times(k, a)))

# ---- Keys, checkpoints, policies (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy) ----
LOG, WITNESS = 1, 4  # kinds of keys
NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]+")
NOTE = re.compile(r"((@+)\n(0|[1-9][0-9]{0,19})\n(@+)\n(?:@+\n)*)\n((?:\u2014 ~ @+\n){1,128})"
                  .replace("@", r"[^\x00-\x1f\x7f]").replace("~", NAME.pattern))
def unbase64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("there is another way to write this")
    return data

def parse_key(text, kind):
    """A public key `NAME+HASH+BASE64(kind ‖ key)` as (name, key hash, kind, key)."""
    name, digest, encoded = text.split("+", 2)
    data = unbase64(encoded)
    key_hash = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if not NAME.fullmatch(name) or key_hash.hex() != digest or data[:1] != bytes([kind]) or is_small(point(data[1:])):
        raise ValueError(f"not a key that can be believed: {text}")
    return name, key_hash, kind, data[1:]

class Checkpoint:
    """A signed note: this log has so many entries, under this root. ValueError for anything else."""
    def __init__(self, note):
        found = NOTE.fullmatch(note) or [""] * 6  # the size of which is no number: ValueError
        self.text, self.origin, self.size, self.root = found[1].encode(), found[2], int(found[3]), unbase64(found[4])
        self.signatures = [(name, unbase64(data)) for _, name, data in (line.split(" ") for line in found[5].split("\n")[:-1])]
        is_short = any(len(data) < 5 for _, data in self.signatures)
        if is_short or self.size >= 2**64 or len(self.root) != 32 or len(note.encode()) > 2**18:
            raise ValueError("not a checkpoint")
    def signers(self, keys):
        """Which of the keys signed it. A false signature in the name of one of them makes it worthless."""
        signed = []
        for key, data in ((key, data) for key in keys for name, data in self.signatures if (name, data[:4]) == key[:2]):
            time = b"cosignature/v1\ntime %d\n" % int.from_bytes(data[4:12], "big") if key[2] == WITNESS else b""
            is_true = is_signed(key[3], time + self.text, data[12:] if time else data[4:])
            check(is_true, f"a checkpoint cannot be believed: the signature of {key[0]} is false")
            signed.append(key)
        return signed

def parse_policy(text):
    """A policy as (keys of logs, members by name, name of the quorum); a member is a key or (how many, of whom)."""
    logs, members, grouped, quorum = [], {}, [], None
    lines = ([word.decode() for word in line.split()] for line in text.encode().split(b"\n"))  # at ASCII blanks alone
    for kind, *rest in (words for words in lines if words and words[0][0] != "#"):
        if kind == "quorum" and quorum is None and len(rest) == 1 and rest[0] in ["none", *members]:
            quorum = rest[0]
        elif kind == "log" and len(rest) in (1, 2):
            logs.append(parse_key(rest[0], LOG))
        elif kind == "witness" and len(rest) in (2, 3) and rest[0] not in ["none", *members]:
            members[rest[0]] = parse_key(rest[1], WITNESS)
        elif kind == "group" and len(rest) > 2 and rest[0] not in ["none", *members]:
            needed, names = {"all": len(rest) - 2, "any": 1}.get(rest[1]) or int(rest[1]), rest[2:]
            grouped += names
            if rest[1] not in ("all", "any", str(needed)) or not 1 <= needed <= len(names) or not set(names) <= set(members) or len(set(grouped)) < len(grouped):
                raise ValueError(f"a group of the policy cannot be: {rest[0]}")
            members[rest[0]] = (needed, names)
        else:
            raise ValueError(f"not a line of a policy: {kind} {rest}")
    keys = [member[3] for member in [*logs, *members.values()] if len(member) == 4]
    if not logs or quorum is None or len(set(keys)) < len(keys):
        raise ValueError("a policy names a log and a quorum, and each key once")
    return logs, members, quorum

def consents(members, name, signers):
    """Whether a witness signed, or enough members of a group did."""
    if len(members[name]) == 4:
        return members[name] in signers
    return sum(consents(members, of, signers) for of in members[name][1]) >= members[name][0]

# ---- The bundle: attachments, values, tiles, end mark. Nothing that is kept in memory grows with it ----
class Tree:
    """A growing Merkle tree of RFC 6962: the roots of its complete subtrees with their heights, the highest first."""
    def __init__(self):
        self.size, self.peaks = 0, []
    def push(self, leaf):
        self.size, height = self.size + 1, 0
        while self.peaks and self.peaks[-1][0] == height:
            leaf, height = hashlib.sha256(b"\1" + self.peaks.pop()[1] + leaf).digest(), height + 1
        self.peaks.append((height, leaf))
    def root(self):
        root = self.peaks[-1][1] if self.peaks else hashlib.sha256().digest()
        for _, left in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\1" + left + root).digest()
        return root

ATTACHMENT, TILE, END = 0xFFFE, 0xFFFD, 0xFFFF  # marks, in the place of a key's length
NAMES = ["manifest", "checkpoint", "checkpoint.witnessed", "policy"]

class Bundle:
    """Takes a bundle apart, piece by piece, in the order of the file."""
    def __init__(self, file):
        self.file, self.digest, self.last = file, hashlib.sha256(), b""
        self.attached, self.values, self.tiles = [], 0, 0
        check(self.read(21) == b"fundledger bundle v3\n", "not a fundledger bundle of version 3", INCOMPLETE)
        self.mark = self.number(2)  # a mark, or the length of the next value's key
        while self.mark == ATTACHMENT:
            self.attached.append(self.piece(self.number(2)))
            self.mark = self.number(2)
            check(len(self.attached) <= 16, "the bundle has too many attachments", INCOMPLETE)
        self.texts = {name.decode(errors="replace"): data.decode(errors="replace") for name, data in self.attached}
    def read(self, length):
        self.digest.update(self.last)  # so it is always one piece behind: the end mark is not in its own digest
        self.last = self.file.read(length)
        check(len(self.last) == length, "the bundle stops before its end mark", INCOMPLETE)
        return self.last
    def number(self, length):
        return int.from_bytes(self.read(length), "big")
    def piece(self, key_length):
        key, length = self.read(key_length), self.number(4)
        check(length <= 2**20, "a piece claims more bytes than any has: what follows cannot be found", INCOMPLETE)
        return key, self.read(length)
    def check_tiles(self, size):
        """The tiles of a tree of this size, level by level; gives the tree over their leaves. The tree over a higher
        level must have the peaks that this one has from that height on: then every hash of the level is right."""
        for level in range(8):
            tree, count = Tree(), size >> 8 * level
            for start in range(0, count, 256):
                width, groups = min(count - start, 256), f"{start // 256:,}".split(",")
                name = f"tile/{level}/" + "".join(f"x{each:0>3}/" for each in groups[:-1]) + f"{groups[-1]:0>3}"
                name += f".p/{width}" if width < 256 else ""
                check(self.mark in (TILE, END), "the bundle's parts stand out of order", INCOMPLETE)
                found, hashes = self.piece(self.number(2)) if self.mark == TILE else (b"nothing", b"")
                check(found == name.encode() and len(hashes) == 32 * width, f"{found!r:.80} stands where {name} should")
                for at in range(0, len(hashes), 32): tree.push(hashes[at : at + 32])
                self.tiles, self.mark = self.tiles + 1, self.number(2)
            leaves = tree if level == 0 else leaves
            above = [(height - 8 * level, root) for height, root in leaves.peaks if height >= 8 * level]
            check(above == tree.peaks, f"the tiles of level {level} are not made of those below them")
        check(self.mark != TILE, "the bundle has more tiles than its checkpoint covers")
        return leaves
    def check_end(self):
        """The end mark finds an unfinished or damaged copy; it is no evidence."""
        digest, is_end = self.digest.digest(), self.mark == END
        is_right = is_end and (self.number(8), self.number(8)) == (self.values, self.tiles) and self.read(32) == digest
        check(is_right and not self.file.read(1), "the file is not the one its end mark was written for", INCOMPLETE)

class Log:
    """Follows the log from value to value (docs/format.md, Block), and holds it against checkpoints as it grows."""
    def __init__(self, claims):
        self.claims, self.tree, self.head, self.parts = claims, Tree(), bytes(32), []
        self.compare()
    def value(self, key, value):
        """A stored value: header, checksum, payload. A long entry lies in several."""
        at = f"in a value after {self.tree.size} entries"
        check(len(key) == 9 and 76 < len(value) <= 6000, f"framing {at}")
        version, part, parts, zero, count, length, crc, previous, head = struct.unpack(">BBBBHHI32s32s", value[:76])
        check(crc == zlib.crc32(value[12:], zlib.crc32(value[:8])), f"checksum {at}")
        check((version, zero, length, part) == (1, 0, len(value) - 76, key[8]) and part < parts <= 12, f"framing {at}")
        check((count == 1 or count > parts == 1) and (part == parts - 1 or len(value) == 6000), f"framing {at}")
        check(key == struct.pack(">QB", self.tree.size, len(self.parts)), f"a sequence is missing or comes twice {at}")
        self.parts.append(((parts, previous, head), value[76:]))
        check(all(other == (parts, previous, head) for other, _ in self.parts), f"parts of different entries {at}")
        if part < parts - 1: return
        check(previous == self.head, f"the block does not continue the chain {at}")
        payload, self.parts, size = b"".join(payload for _, payload in self.parts), [], self.tree.size + count
        while payload:
            length = int.from_bytes(payload[:2], "big")
            check(32 <= length <= len(payload) - 2, f"framing {at}")
            self.entry(payload[2 : 2 + length])
            payload = payload[2 + length :]
        check((self.head, self.tree.size) == (head, size), f"head or count of the block are wrong {at}")
    def entry(self, entry):
        """An entry begins with the hash of the one before; its own hash is a leaf of the tree."""
        check(entry[:32] == self.head, f"chain: entry {self.tree.size} does not follow the one before it")
        self.head = hashlib.sha256(b"\0" + entry).digest()
        self.tree.push(self.head)
        self.compare()
    def compare(self):
        for claim in (claim for claim in self.claims if claim.size == self.tree.size):
            check(claim.root == self.tree.root(), f"{claim.size} entries have another root than a checkpoint says")

# ---- The whole ----
def verify(file, keys, kept, policy):
    """Verifies an open bundle; gives the report, line by line."""
    bundle = Bundle(file)
    try:
        carried = [Checkpoint(bundle.texts[name]) for name in NAMES[1:3] if name in bundle.texts]
    except ValueError as error:
        raise Stop("a checkpoint in the bundle cannot be read", BROKEN) from error
    logs, members, quorum = policy or ([], {}, "none")
    keys, witnesses, anchored = keys + logs, [each for each in members.values() if len(each) == 4], list(kept)
    for claim in kept + carried:
        is_ours, seen_by = any(key[0] == claim.origin for key in claim.signers(keys)), claim.signers(witnesses)
        check(is_ours or not keys, f"no key of the log that is known signed the checkpoint over {claim.size} entries")
        anchored += [claim] * (is_ours and claim.size > 0 and quorum != "none" and consents(members, quorum, seen_by))
    check(quorum == "none" or len(anchored) > len(kept), "no checkpoint is cosigned by the quorum of the policy")
    log = Log(kept + carried)
    while bundle.mark not in (ATTACHMENT, TILE, END):
        log.value(*bundle.piece(bundle.mark))
        bundle.values, bundle.mark = bundle.values + 1, bundle.number(2)
    covered = carried[0] if "checkpoint" in bundle.texts else None
    leaves = bundle.check_tiles(covered.size if covered else 0)
    bundle.check_end()
    size = log.tree.size
    is_enough = size > 0 and not log.parts and all(claim.size <= size for claim in log.claims)
    check(is_enough, f"the log has {size} entries: the last one is not whole, or a checkpoint covers more")
    check(not covered or leaves.root() == covered.root, "the tiles are not those of the log")
    try:  # There is one manifest for what was found: all but its maker, its time and the log's name is written anew.
        said, names = json.loads(bundle.texts["manifest"]), [name.decode() for name, _ in bundle.attached]
        by, at, origin = said["made_by"], said["made_at"], said["log"]["origin"]
        is_time = at is None or re.fullmatch("[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z", at)
        is_right = is_time and re.fullmatch("[ -~]{0,64}", by) and isinstance(origin, str)
        is_right = is_right and names == [name for name in NAMES if name in bundle.texts]
        listed = [{"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                  for name, (_, data) in zip(names, bundle.attached) if data.decode() is not None][1:]
        expected = json.dumps({
            "format": "fundledger bundle", "version": 3, "made_by": by, "made_at": at, "values": bundle.values,
            "log": {"origin": origin, "entries": size, "last_sequence": size - 1, "head": log.head.hex()},
            "checkpoint": covered and {"size": covered.size, "root": covered.root.hex()}, "tiles": bundle.tiles,
            "without_tiles": None if covered else "no_checkpoint", "attachments": listed,
        }, indent=2, ensure_ascii=False).encode() + b"\n"
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise Stop("the manifest does not say what it should", BROKEN) from error
    is_right = is_right and bundle.attached[0][1] == expected and len(expected) <= 2**16
    check(is_right, "the manifest says other things than were found")
    check(all(claim.origin == origin for claim in log.claims), "a checkpoint is of another log")
    outside, told = max((claim.size for claim in anchored), default=0), ("NOT checked", "Checked")
    in_part = f"and anchored outside: the first {outside} of {size} entries"
    return [f"VERIFIED: self-consistent, {in_part if outside else 'not externally anchored'}",
            f"  ledger {origin!r}: {size} entries, head {log.head.hex()}, root {log.tree.root().hex()}",
            *["  the bundle carries a policy: from the ledger, so it anchors nothing"] * ("policy" in bundle.texts),
            "Checked: the whole file and its manifest; blocks, checksums, sequences, chain; the tree and every tile",
            f"{told[bool(keys and log.claims)]}: signatures of the log, by the keys that were given",
            f"{told[quorum != 'none']}: the quorum of witnesses in the policy that was given",
            f"{told[outside > 0]}: whether this is the log that others have seen",
            "NOT checked: what the events say, the genesis too; whether the books agree; how old cosignatures are"]

def main():
    parser = argparse.ArgumentParser(description="Verifies a fundledger bundle of version 3.")
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", default=[], type=lambda key: parse_key(key, LOG))
    parser.add_argument("--checkpoint", action="append", default=[], type=lambda path: open(path, "rb").read())
    parser.add_argument("--policy", type=lambda path: parse_policy(open(path, "rb").read().decode()))
    try:
        options = parser.parse_args()
        kept = [Checkpoint(note.decode()) for note in options.checkpoint]
        print("\n".join(verify(open(options.bundle, "rb"), options.key, kept, options.policy)))
    except (Stop, OSError, ValueError) as error:
        message, verdict = error.args if isinstance(error, Stop) else (error, INCOMPLETE)
        sys.exit(print(f"{'BROKEN' if verdict == BROKEN else 'INCOMPLETE'}: {message}") or verdict)

if __name__ == "__main__":
    main()
