"""Tests of verify.py: bundles built by hand with a tiny encoder. Run: python3 test_verify.py"""

import contextlib
import copy
import hashlib
import io
import json
import os
import struct
import tempfile
import unittest
import zlib

import verify

# ---- A tiny encoder ------------------------------------------------------------------------------------------------


def varint(value):
    """Base-128 varint of a 64-bit value."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """One field: integers as varints, texts and bytes with their length, lists as repeated fields."""
    if isinstance(value, list):
        return b"".join(field(number, item) for item in value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields):
    """A message of (number, value) pairs."""
    return b"".join(field(number, value) for number, value in fields)


def encode_leg(account, lot, amount):
    """A leg; the amount is zigzag-encoded."""
    return message((1, account), (2, lot), (3, amount << 1 if amount >= 0 else (-amount << 1) - 1))


def encode_event(event):
    """An event from a dict of the test log."""
    payload_number, *payload_fields = event["payload"]
    return (
        b"\x09"
        + struct.pack("<q", event["booked"])
        + message((2, event["day"]), (3, event["request_id"]), (4, bytes(16)), (5, event["actor"]))
        + message((6, [message((1, actor)) for actor in event["checkers"]]), (7, 0))
        + message((8, [encode_leg(*leg) for leg in event["legs"]]))
        # A payload is there even if it is empty.
        + field(payload_number, message(*payload_fields))
    )


def chain(events):
    """Entries of encoded events, each after the hash of the one before."""
    head, entries = bytes(32), []
    for event in events:
        entries.append(head + event)
        head = entry_hash(entries[-1])
    return entries


def entry_hash(entry):
    """The hash of an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def with_crc(value):
    """The value with its checksum made right."""
    return value[:8] + struct.pack(">I", zlib.crc32(value[:8] + value[12:])) + value[12:]


def header(part, parts, count, payload, previous, head):
    """One value: header and payload."""
    fixed = struct.pack(">BBBBHHI", 1, part, parts, 0, count, len(payload), 0)
    return with_crc(fixed + previous + head + payload)


def blocks(entries, per_block=4):
    """[(key, value)] of entries, so many a block; a large one is split."""
    values, position = [], 0
    while position < len(entries):
        group = entries[position : position + 1]
        while position + len(group) < len(entries) and len(group) < per_block:
            candidate = [*group, entries[position + len(group)]]
            if sum(2 + len(entry) for entry in candidate) > 5924:
                break
            group = candidate
        payload = b"".join(struct.pack(">H", len(entry)) + entry for entry in group)
        cuts = [payload[at : at + 5924] for at in range(0, len(payload), 5924)]
        heads = (group[0][:32], entry_hash(group[-1]))
        for part, cut in enumerate(cuts):
            values.append((struct.pack(">QB", position, part), header(part, len(cuts), len(group), cut, *heads)))
        position += len(group)
    return values


def bundle(values):
    """The file of a list of (key, value)."""
    body = b"fundledger bundle v1\n"
    for key, value in values:
        body += struct.pack(">H", len(key)) + key + struct.pack(">I", len(value)) + value
    return body + b"\xff\xff" + struct.pack(">Q", len(values)) + hashlib.sha256(body).digest()


# ---- A small ledger with every type of event ------------------------------------------------------------------------

D1, D2 = 20_454, 20_484  # 2026-01-01, 2026-01-31
(SOURCE, UNALLOCATED, UNIT, PLAN, COMMITTED, FROZEN, USED, CARRY, RECALLED, TREASURY, FUND_LOT, CLEARING) = range(1, 13)
KINDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 40, 41)
PER_UNIT = (3, 4, 5, 6, 7)


def trial_balance(*rows):
    """Digest of (account, lot, balance) rows."""
    packed = b"".join(struct.pack(">IIQ", *row) for row in rows)
    return hashlib.sha256(b"fundledger trial balance v1\n" + packed).digest()


class Ledger:
    """Events in order; `at` names the sequence of each."""

    def __init__(self):
        self.events, self.at = [], {}
        self.add("genesis", 20, (1, "test.example/ledger"), (2, 1), (3, 1))
        self.events[0].update(request_id="", actor="")

    def add(self, name, number, *fields, legs=(), day=D1, checkers=("checker",)):
        """Adds an event of a payload number."""
        sequence = self.at[name] = len(self.events)
        self.events.append({
            "booked": 1_000 + sequence, "day": day, "request_id": f"request-{name}", "actor": "maker",
            "checkers": list(checkers), "legs": list(legs), "payload": (number, *fields),
        })  # fmt: skip
        return sequence

    def move(self, name, number, *fields, debit, credit, amount, lot=1, **more):
        """Adds an event that moves one amount of a lot."""
        lots = [0 if account in (TREASURY, CLEARING) else lot for account in (debit, credit)]
        return self.add(name, number, *fields, legs=[(debit, lots[0], amount), (credit, lots[1], -amount)], **more)

    def pay(self, name, source, amount, lot=1, **more):
        """Adds a payment."""
        legs = [(source, lot, amount), (USED, lot, -amount), (FUND_LOT, lot, amount), (CLEARING, 0, -amount)]
        return self.add(name, 34, (1, name), (2, bytes(16)), (3, "road"), (8, 1), legs=legs, **more)

    def clear(self, name, amount, *payments, **more):
        """Clears payments."""
        legs = [(CLEARING, 0, amount), (TREASURY, 0, -amount)]
        return self.add(name, 35, (1, f"bank-{name}"), (2, list(payments)), legs=legs, **more)

    def give_back(self, name, payment, target, amount, lot=1, **more):
        """Returns part of a payment; what goes to RECALLED goes upward."""
        legs = [(TREASURY, 0, amount), (FUND_LOT, lot, -amount), (USED, lot, amount), (target, lot, -amount)]
        if target == RECALLED:
            legs += [(FUND_LOT, lot, amount), (TREASURY, 0, -amount)]
        fields = ((1, payment), (2, self.at[payment]), (3, f"bank-{name}"), (4, "WRONG_ACCOUNT"))
        return self.add(name, 36, *fields, legs=legs, **more)

    def reverse(self, name, target, payment=None, **more):
        """Mirrors an event; a payment by its own name, unless another is given."""
        legs = [(account, lot, -amount) for account, lot, amount in self.events[self.at[target]]["legs"]]
        payment = (target if target.startswith("P") else "") if payment is None else payment
        return self.add(name, 37, (1, self.at[target]), (2, "MISTAKE"), (3, payment), legs=legs, **more)

    def encoded(self):
        """The events as bytes."""
        return [encode_event(event) for event in self.events]

    def bundle(self):
        """The ledger as a bundle."""
        return bundle(blocks(chain(self.encoded())))


def lot_opened(lot):
    """A LotOpened of fund 1."""
    return message((1, lot), (2, f"lot-{lot}"), (3, 1), (4, "province"), (5, f"document-{lot}"), (6, bytes(32)))


def small():
    """Accounts, one lot of 1,000 with plan and cash, one cleared and one open payment, one closed day."""
    ledger = Ledger()
    ledger.add("fund", 21, (1, 1), (2, "fund"), (3, "专项资金"), (4, 1), (5, "CNY"), (6, 2))
    for number, kind in enumerate(KINDS, 1):
        unit = "unit-a" if kind in PER_UNIT else ""
        ledger.add(f"account-{number}", 23, (1, number), (2, f"a{number}"), (3, 1), (4, kind), (5, unit))
    ledger.move("issue", 25, (1, lot_opened(1)), debit=SOURCE, credit=UNALLOCATED, amount=1_000)
    ledger.move("issue-2", 25, (1, lot_opened(2)), debit=SOURCE, credit=UNALLOCATED, amount=100, lot=2)
    ledger.move("allocate", 26, debit=UNALLOCATED, credit=UNIT, amount=900)
    ledger.move("plan", 28, debit=UNIT, credit=PLAN, amount=700)
    ledger.move("cash", 33, (1, "bank-1"), debit=TREASURY, credit=FUND_LOT, amount=800)
    ledger.pay("P1", PLAN, 200)
    ledger.clear("clear-1", 200, "P1")
    ledger.give_back("return-1", "P1", PLAN, 50)
    ledger.add("close-day", 38, (1, 1), (2, D1), day=D1)
    ledger.pay("P2", PLAN, 100, day=D2)
    return ledger


def full():
    """`small`, then every other type of event."""
    ledger = small()
    late = {"day": D2}
    ledger.reverse("reverse-P2", "P2", **late)
    ledger.add("policy", 22, (1, "default"), (2, 1), (3, D1), (4, 1), (5, [message((2, 1))]), **late)
    ledger.move("supplement", 27, (1, 1), (2, "d-1"), debit=SOURCE, credit=UNALLOCATED, amount=10, **late)
    ledger.move("reduction", 27, (1, 2), (2, "d-2"), debit=UNALLOCATED, credit=SOURCE, amount=5, **late)
    ledger.reverse("reverse-reduction", "reduction", **late)
    ledger.move("commit", 29, (1, "contract"), debit=PLAN, credit=COMMITTED, amount=100, **late)
    ledger.move("release", 30, (1, "contract"), debit=COMMITTED, credit=PLAN, amount=40, **late)
    ledger.move("freeze", 31, (1, "case-1"), (3, PLAN), debit=PLAN, credit=FROZEN, amount=30, **late)
    ledger.move("unfreeze", 32, (1, "case-1"), debit=FROZEN, credit=PLAN, amount=30, **late)
    ledger.add("freeze-lot", 31, (1, "case-2"), (2, "audit law 38"), (4, 2), **late)
    ledger.add("refused", 60, (1, 146), (2, "execute_payment"), (3, [message((1, "lot"), (2, "1"))]), **late)
    ledger.events[-1]["checkers"] = ["maker"]
    carry = [(UNIT, 1, 200), (PLAN, 1, 490), (COMMITTED, 1, 60), (CARRY, 1, -750)]
    ledger.add("carry", 40, (1, 1), (2, 2026), legs=carry, **late)
    ledger.give_back("return-carry", "P1", CARRY, 20, **late)
    recall = [(UNALLOCATED, 1, 110), (CARRY, 1, 770), (RECALLED, 1, -880), (FUND_LOT, 1, 670), (TREASURY, 0, -670)]
    ledger.add("recall", 41, (1, 1), (2, "article 42"), legs=recall, **late)
    ledger.give_back("return-recalled", "P1", RECALLED, 30, **late)
    balances = ((SOURCE, 1, 1_010), (SOURCE, 2, 100), (UNALLOCATED, 2, 100), (USED, 1, 100), (RECALLED, 1, 910))
    ledger.add("close-month", 39, (1, 1), (2, 202601), (3, trial_balance(*balances)), day=D2)
    ledger.add("fund-2", 21, (1, 2), (2, "other"), (4, 1), day=D1)
    for number, kind in enumerate(KINDS, 13):
        unit = "unit-b" if kind in PER_UNIT else ""
        ledger.add(f"account-{number}", 23, (1, number), (2, f"a{number}"), (3, 2), (4, kind), (5, unit))
    lot = message((1, 3), (2, "lot-3"), (3, 2), (4, "province"), (5, "old"))
    opening = [(13, 3, 500), (14, 3, -300), (19, 3, -200), (22, 0, 250), (23, 3, -250)]
    ledger.add("opening", 24, (1, 2), (2, "old books"), (4, [lot]), legs=opening)
    return ledger


def verified(data, deep=True):
    """The report of a bundle's bytes."""
    return verify.verify(io.BytesIO(data), deep)


class VerifyTest(unittest.TestCase):
    """What verifies, what does not, and where and why."""

    maxDiff = None

    def check(self, data, sequence, kind, verdict="broken", deep=True, only=False):
        """The first bad sequence, and a fault of this kind there; `only`: no other fault."""
        report = verified(data, deep)
        found = [(fault["sequence"], fault["kind"]) for fault in report["faults"]]
        self.assertEqual(report["verdict"], verdict, report["faults"])
        self.assertEqual(report["first_bad_sequence"], sequence, report["faults"])
        self.assertIn((sequence, kind), found)
        if only:
            self.assertEqual(set(found), {(sequence, kind)}, report["faults"])
        return report

    def check_events(self, ledger, name, kind, only=True, says=""):
        """A ledger whose chain is right, but whose events are not; `says`: part of the first message."""
        report = self.check(ledger.bundle(), ledger.at[name], kind, only=only)
        self.assertIn(says, report["faults"][0]["message"])
        shallow = verified(ledger.bundle(), deep=False)
        expected = "broken" if kind in ("request_id", "time", "genesis", "decode") else "verified"
        self.assertEqual(shallow["verdict"], expected, shallow["faults"])

    # -- Good ones

    def test_good(self):
        for ledger in (small(), full()):
            for per_block in (1, 3, 100):
                entries = chain(ledger.encoded())
                report = verified(bundle(blocks(entries, per_block)))
                self.assertEqual(report["faults"], [])
                self.assertEqual(report["verdict"], "verified")
                self.assertEqual(report["events"], len(entries))
                self.assertEqual(report["last_sequence"], len(entries) - 1)
                self.assertEqual(report["head"], entry_hash(entries[-1]).hex())

    def test_split_entry(self):
        ledger = small()
        ledger.add("long", 26, (1, "d" * 13_000), legs=[(UNALLOCATED, 1, 1), (UNIT, 1, -1)], day=D2)
        ledger.add("after", 26, legs=[(UNALLOCATED, 1, 1), (UNIT, 1, -1)], day=D2)
        values = blocks(chain(ledger.encoded()))
        self.assertEqual(sum(key[8] > 0 for key, _ in values), 2)
        self.assertEqual(verified(bundle(values))["faults"], [])
        middle = next(index for index, (key, _) in enumerate(values) if key[8] == 1)
        self.check(bundle(values[:middle] + values[middle + 1 :]), ledger.at["long"], "framing")

    def test_unknown_fields_are_skipped(self):
        events = small().encoded()
        events[3] += field(99, "later") + field(98, 7) + varint(97 << 3 | 1) + bytes(8) + varint(96 << 3 | 5) + bytes(4)
        self.assertEqual(verified(bundle(blocks(chain(events))))["faults"], [])

    def test_business_day_before_1970(self):
        ledger = small()
        ledger.events[1]["day"] = -25_567
        self.assertEqual(verified(ledger.bundle())["faults"], [])

    # -- Bytes, sequence, chain

    def flipped(self, mend):
        """One bit of the actor of event 5 (second of the block 4 to 7) flipped, the end mark mended."""
        values = blocks(chain(small().encoded()))
        key, value = values[1]
        at = value.index(b"maker", value.index(b"maker") + 1)
        value = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        values[1] = (key, with_crc(value) if mend else value)
        return values

    def test_bit_flip(self):
        report = self.check(bundle(self.flipped(mend=False)), 4, "checksum")
        self.assertIn((5, "chain"), [(fault["sequence"], fault["kind"]) for fault in report["faults"]])

    def test_bit_flip_with_mended_checksum(self):
        self.check(bundle(self.flipped(mend=True)), 5, "chain", only=True)

    def test_bit_flip_without_mended_end_mark(self):
        data = bytearray(small().bundle())
        data[-40] ^= 1
        self.assertEqual(verified(bytes(data))["faults"][0]["kind"], "framing")
        data = bytearray(small().bundle())
        data[-1] ^= 1
        self.assertEqual([(f["sequence"], f["kind"]) for f in verified(bytes(data))["faults"]], [(None, "checksum")])

    def test_forged_chain_of_the_last_entry(self):
        entries = chain(small().encoded())
        values = blocks(entries)
        entries[-1] = entries[-1].replace(b"maker", b"faker")
        forged = blocks(entries)
        key, value = forged[-1]
        forged[-1] = (key, with_crc(value[:44] + values[-1][1][44:76] + value[76:]))
        self.check(bundle(forged), len(entries) - 1, "block_head", only=True)

    def test_dropped_entry(self):
        entries = chain(small().encoded())
        self.check(bundle(blocks(entries[:9] + entries[10:], per_block=1)), 8, "chain")
        values = blocks(entries, per_block=1)
        self.check(bundle(values[:9] + values[10:]), 9, "sequence", only=True)
        self.check(bundle(values[1:]), 0, "sequence")

    def test_swapped_entries(self):
        entries = chain(small().encoded())
        entries[9], entries[10] = entries[10], entries[9]
        self.check(bundle(blocks(entries)), 8, "chain")

    def test_duplicate_and_wrong_key(self):
        values = blocks(chain(small().encoded()))
        self.check(bundle(values[:2] + values[1:]), 4, "sequence", only=True)
        values[2] = (struct.pack(">QB", 1 << 40, 0), values[2][1])
        self.check(bundle(values), 8, "sequence", only=True)

    def test_wrong_heads(self):
        for offset, sequence in ((12, 8), (44, 11)):
            values = blocks(chain(small().encoded()))
            key, value = values[2]
            values[2] = (key, with_crc(value[:offset] + bytes(32) + value[offset + 32 :]))
            self.check(bundle(values), sequence, "block_head", only=True)

    def test_headers(self):
        for offset, byte in ((0, 2), (1, 1), (2, 13), (3, 1), (4, 9), (5, 0), (5, 5), (7, 1)):
            with self.subTest(offset=offset):
                values = blocks(chain(small().encoded()))
                key, value = values[1]
                values[1] = (key, with_crc(value[:offset] + bytes([byte]) + value[offset + 1 :]))
                self.check(bundle(values), 4, "framing")

    def test_value_sizes(self):
        values = blocks(chain(small().encoded()))
        key, value = values[1]
        for wrong in ((key, value[:70]), (key + b"\0", value)):
            self.check(bundle([values[0], wrong, *values[2:]]), 4, "framing")
        large = header(0, 1, 1, struct.pack(">H", 5_990) + bytes(5_990), bytes(32), bytes(32))
        self.check(bundle([(bytes(9), large)]), 0, "framing")

    def test_truncated(self):
        data = small().bundle()
        for size in (0, 10, 30, 600, len(data) - 43, len(data) - 42, len(data) - 1):
            report = verified(data[:size])
            self.assertEqual(report["verdict"], "incomplete", size)
            self.assertEqual({fault["kind"] for fault in report["faults"]}, {"incomplete"})
        self.assertEqual(verified(data + b"\0")["verdict"], "broken")
        self.assertEqual(verified(b"x" + data[1:])["verdict"], "incomplete")
        self.assertEqual(verified(bundle([]))["first_bad_sequence"], 0)

    # -- The envelope

    def test_genesis(self):
        for change in ({"payload": (20, (1, "origin"), (2, 2))}, {"payload": (20, (2, 1))}, {"request_id": "r"}):
            ledger = small()
            ledger.events[0].update(change)
            self.check_events(ledger, "genesis", "genesis")
        ledger = small()
        ledger.add("second", 20, (1, "origin"), (2, 1))
        ledger.events[-1]["request_id"] = ""
        self.check_events(ledger, "second", "genesis")
        self.check(bundle(blocks(chain(ledger.encoded()[1:]))), 0, "genesis")

    def test_first_link(self):
        entries = chain(small().encoded())
        entries[0] = b"\1" + entries[0][1:]
        self.check(bundle(blocks(entries)), 0, "chain")

    def test_time(self):
        ledger = small()
        ledger.events[ledger.at["plan"]]["booked"] = ledger.events[ledger.at["plan"] - 1]["booked"]
        self.check_events(ledger, "plan", "time")

    def test_request_id(self):
        for request_id in ("request-fund", "", "a b", "a\n", "x" * 65):
            ledger = small()
            ledger.events[ledger.at["plan"]]["request_id"] = request_id
            self.check_events(ledger, "plan", "request_id")

    def test_undecodable(self):
        plan = small().at["plan"]
        wrong_wire = varint(28 << 3) + b"\1"
        for tail in (b"\x0a", b"\x1a\x7fx", field(28, b""), wrong_wire, b"\x1b", b"\x92\x06\x7f"):
            events = small().encoded()
            events[plan] += tail
            report = self.check(bundle(blocks(chain(events))), plan, "decode", only=True)
            self.assertIn(f"sequence {plan} on", " ".join(report["not_checked"]))
        events = small().encoded()
        events[plan] = b""
        self.check(bundle(blocks(chain(events))), plan, "decode", only=True)

    # -- The books: (what is changed, in which event, kind of fault)

    def test_legs(self):
        cases = (
            ("unbalanced", "plan", [(UNIT, 1, 700), (PLAN, 1, -699)]),
            ("negative lot balance", "plan", [(UNIT, 1, 901), (PLAN, 1, -901)]),
            ("another lot is short", "plan", [(UNIT, 2, 700), (PLAN, 2, -700)]),
            ("between lots", "plan", [(UNIT, 1, 700), (PLAN, 2, -700)]),
            ("unknown account", "plan", [(UNIT, 1, 700), (99, 1, -700)]),
            ("unknown lot", "plan", [(UNIT, 9, 700), (PLAN, 9, -700)]),
            ("no lot", "plan", [(UNIT, 0, 700), (PLAN, 0, -700)]),
            ("lot on treasury", "cash", [(TREASURY, 1, 800), (FUND_LOT, 1, -800)]),
            ("zero amount", "plan", [(UNIT, 1, 0), (PLAN, 1, 0)]),
            ("above 2^53-1", "issue", [(SOURCE, 1, 1 << 53), (UNALLOCATED, 1, -(1 << 53))]),
            ("wrong kind", "plan", [(UNIT, 1, 700), (COMMITTED, 1, -700)]),
            ("wrong side", "plan", [(PLAN, 1, 700), (UNIT, 1, -700)]),
            ("no legs", "plan", []),
            ("cash is missing", "P2", [(PLAN, 1, 100), (USED, 1, -100)]),
            ("books mixed up", "P2", [(PLAN, 1, 100), (USED, 1, -90), (FUND_LOT, 1, 90), (CLEARING, 0, -100)]),
            ("legs on a day's close", "close-day", [(UNIT, 1, 1), (PLAN, 1, -1)]),
        )
        for label, name, legs in cases:
            with self.subTest(label):
                ledger = small()
                ledger.events[ledger.at[name]]["legs"] = legs
                self.check(ledger.bundle(), ledger.at[name], "books")
                self.assertEqual(verified(ledger.bundle(), deep=False)["verdict"], "verified")

    def test_unbalanced(self):
        for name, lots, book in (("plan", (1, 1), "authority"), ("clear-1", (0, 0), "cash")):
            ledger = small()
            (debit, _, amount), (credit, _, _) = ledger.events[ledger.at[name]]["legs"]
            legs = [(debit, lots[0], amount), (credit, lots[1], 1 - amount)]
            ledger.events[ledger.at[name]]["legs"] = legs
            report = self.check(ledger.bundle(), ledger.at[name], "books")
            messages = [fault["message"] for fault in report["faults"] if fault["sequence"] == ledger.at[name]]
            self.assertIn(f"{book} book: debits and credits differ by 1", messages)

    def test_cash_of_another_lot(self):
        ledger = small()
        ledger.move("cash-2", 33, (1, "b"), debit=TREASURY, credit=FUND_LOT, amount=90, lot=2, day=D2)
        legs = [(PLAN, 1, 50), (USED, 1, -50), (FUND_LOT, 2, 50), (CLEARING, 0, -50)]
        ledger.add("mixed", 34, (1, "P3"), legs=legs, day=D2)
        self.check_events(ledger, "mixed", "books")

    def test_numbers(self):
        ledger = small()
        ledger.add("gap", 21, (1, 3), (2, "third"))
        self.check_events(ledger, "gap", "books")
        ledger = small()
        ledger.add("same", 23, (1, 12), (2, "again"), (3, 1), (4, 3), day=D2)
        self.check_events(ledger, "same", "books")
        ledger = small()
        ledger.move("lot", 25, (1, lot_opened(4)), debit=SOURCE, credit=UNALLOCATED, amount=1, lot=4, day=D2)
        self.check_events(ledger, "lot", "books")

    def test_two_funds(self):
        ledger = full()
        ledger.add("mixed", 26, legs=[(UNALLOCATED, 2, 1), (15, 3, -1)], day=D2 + 1)
        self.check_events(ledger, "mixed", "books")

    def test_refused_with_legs(self):
        ledger = full()
        ledger.events[ledger.at["refused"]]["legs"] = [(UNIT, 1, 1), (PLAN, 1, -1)]
        self.check_events(ledger, "refused", "books")

    def test_opening_after_movement(self):
        ledger = small()
        ledger.add("late", 24, (1, 1), legs=[(SOURCE, 1, 5), (UNIT, 1, -5)], day=D2)
        self.check_events(ledger, "late", "books")

    def test_approvals(self):
        for checkers in (["maker"], ["checker", "maker"], ["checker", "checker"]):
            ledger = small()
            ledger.events[ledger.at["P1"]]["checkers"] = checkers
            self.check_events(ledger, "P1", "approvals")

    def test_returns(self):
        ledger = small()
        ledger.pay("P3", PLAN, 300, day=D2)
        ledger.clear("clear-3", 300, "P3", day=D2)
        ledger.give_back("too-much", "P1", PLAN, 151, day=D2)
        self.check_events(ledger, "too-much", "payment", says="151 of 'P1' returned, 150 are left")
        ledger = small()
        ledger.give_back("not-cleared", "P2", PLAN, 10, day=D2)
        self.check_events(ledger, "not-cleared", "payment")
        ledger = small()
        ledger.give_back("other-account", "P1", CARRY, 10, day=D2)
        self.check_events(ledger, "other-account", "payment")
        ledger = small()
        returned = ledger.events[ledger.at["return-1"]]
        returned["payload"] = (36, (1, "P1"), (2, ledger.at["P1"] - 1))
        self.check_events(ledger, "return-1", "payment")

    def test_return_follows_draws_backwards(self):
        for lot, kind in ((2, None), (1, "payment")):
            ledger = small()
            late = {"day": D2}
            ledger.move("a", 26, debit=UNALLOCATED, credit=UNIT, amount=100, lot=2, **late)
            ledger.move("p", 28, debit=UNIT, credit=PLAN, amount=100, lot=2, **late)
            ledger.move("c", 33, (1, "b"), debit=TREASURY, credit=FUND_LOT, amount=100, lot=2, **late)
            legs = [(PLAN, 1, 60), (USED, 1, -60), (PLAN, 2, 40), (USED, 2, -40)]
            legs += [(FUND_LOT, 1, 60), (FUND_LOT, 2, 40), (CLEARING, 0, -100)]
            ledger.add("P3", 34, (1, "P3"), legs=legs, **late)
            ledger.clear("clear-3", 100, "P3", **late)
            ledger.give_back("back", "P3", PLAN, 30, lot=lot, **late)
            if kind:
                self.check_events(ledger, "back", kind)
            else:
                self.assertEqual(verified(ledger.bundle())["faults"], [])

    def test_payments(self):
        ledger = small()
        ledger.clear("again", 100, "P1", day=D2)
        self.check_events(ledger, "again", "payment", only=False)
        ledger = small()
        ledger.clear("part", 60, "P2", day=D2)
        self.check_events(ledger, "part", "payment")
        ledger = small()
        same = ledger.pay("same", PLAN, 1, day=D2)
        ledger.events[same]["payload"] = (34, (1, "P1"))
        self.check_events(ledger, "same", "payment")

    def test_reversals(self):
        ledger = full()
        ledger.reverse("twice", "reduction", day=D2 + 1)
        self.check_events(ledger, "twice", "reversal", only=False, says="was reversed before")
        ledger = small()
        ledger.reverse("plan-back", "plan", day=D2)
        ledger.events[-1]["legs"] = [(UNIT, 1, -300), (PLAN, 1, 300)]
        self.check_events(ledger, "plan-back", "reversal")
        ledger = small()
        ledger.reverse("cleared", "P1", day=D2)
        self.check_events(ledger, "cleared", "reversal", only=False)
        ledger = small()
        ledger.reverse("clearing", "clear-1", day=D2)
        self.check_events(ledger, "clearing", "reversal")
        ledger = small()
        ledger.reverse("other", "P2", payment="P1", day=D2)
        self.check_events(ledger, "other", "reversal", says="is payment 'P2'")

    def test_freezes(self):
        ledger = full()
        ledger.events[ledger.at["unfreeze"]]["legs"] = [(FROZEN, 1, 29), (PLAN, 1, -29)]
        self.check(ledger.bundle(), ledger.at["unfreeze"], "freeze")
        ledger = full()
        ledger.add("again", 32, (1, "case-1"), day=D2)
        self.check_events(ledger, "again", "freeze")
        ledger = small()
        ledger.move("other", 31, (1, "case"), (3, UNIT), debit=PLAN, credit=FROZEN, amount=30, day=D2)
        self.check_events(ledger, "other", "freeze")

    def test_closed(self):
        ledger = small()
        ledger.move("late", 26, debit=UNALLOCATED, credit=UNIT, amount=1, day=D1)
        self.check_events(ledger, "late", "period")
        ledger = full()
        ledger.move("late", 26, debit=UNALLOCATED, credit=UNIT, amount=1, lot=2, day=D2)
        self.check_events(ledger, "late", "period")
        ledger = small()
        ledger.add("not-zero", 38, (1, 1), (2, D2), day=D2)
        self.check_events(ledger, "not-zero", "period")
        ledger = full()
        balances = copy.deepcopy(ledger.events[ledger.at["close-month"]]["payload"][-1])
        ledger.add("gap", 39, (1, 1), (2, 202603), balances, day=D2 + 60)
        self.check_events(ledger, "gap", "period")
        ledger = full()
        ledger.add("no-month", 39, (1, 1), (2, 202613), balances, day=D2 + 60)
        self.check_events(ledger, "no-month", "period")

    def test_trial_balance(self):
        ledger = full()
        close = ledger.events[ledger.at["close-month"]]
        close["payload"] = (*close["payload"][:-1], (3, bytes(32)))
        self.check_events(ledger, "close-month", "trial_balance")

    def test_reconciled(self):
        legs = [
            (event_sequence, event["day"], amount)
            for event_sequence, event in enumerate(full().events)
            for account, _, amount in event["legs"]
            if account == TREASURY
        ]
        last = len(full().events) - 1
        told = set()
        for last_day, as_of in [(D2, at) for at in range(last, 0, -3)] + [(D1, last), (D1 - 1, last)]:
            held = sum(amount for at, day, amount in legs if at <= as_of and day <= last_day)
            told.add(held)
            for said in (held, held + 1):
                ledger = full()
                ledger.add("compared", 120, (1, TREASURY), (4, last_day), (6, said), (7, as_of))
                if said == held:
                    self.assertEqual(verified(ledger.bundle())["verdict"], "verified")
                else:
                    self.check_events(ledger, "compared", "books", says="is said to have held")
        self.assertGreater(len(told), 2)
        for account, as_of in ((TREASURY, last + 1), (UNIT, last), (99, last)):
            ledger = full()
            ledger.add("compared", 120, (1, account), (4, D2), (7, as_of))
            self.check_events(ledger, "compared", "books", says="cannot be compared")

    # -- The command line

    def run_main(self, data, *options):
        """Exit status and output for a file of these bytes."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "bundle")
            with open(path, "wb") as file:
                file.write(data)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                return verify.main([path, *options]), out.getvalue()

    def test_command_line(self):
        good = full().bundle()
        self.assertEqual(self.run_main(good, "--deep")[0], 0)
        self.assertEqual(self.run_main(good[:-1])[0], 3)
        status, out = self.run_main(bundle(self.flipped(mend=True)), "--deep", "--json")
        report = json.loads(out)
        self.assertEqual((status, report["verdict"], report["first_bad_sequence"]), (1, "broken", 5))
        self.assertIn("sequence 5: chain", self.run_main(bundle(self.flipped(mend=True)))[1])
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(verify.main(["/nonexistent/bundle"]), 3)
            with self.assertRaises(SystemExit) as usage:
                verify.main(["--unknown"])
        self.assertEqual(usage.exception.code, 2)

    def test_faults_are_capped(self):
        events = small().encoded()
        filler = [encode_event({**small().events[1], "booked": 5_000}) for _ in range(1_500)]
        report = verified(bundle(blocks(chain(events + filler))), deep=False)
        self.assertEqual(len(report["faults"]), 1_000)
        self.assertEqual(report["fault_count"], 1_500 + 1_499)


if __name__ == "__main__":
    unittest.main()
