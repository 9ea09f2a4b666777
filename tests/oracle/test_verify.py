"""Tests of verify.py: bundles built by hand with a tiny encoder. Run: python3 test_verify.py"""

import contextlib
import copy
import datetime
import hashlib
import io
import json
import os
import struct
import tempfile
import unittest
import zlib
from pathlib import Path

import families
import kinds
import verify
from receipt_code import receipt_code

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
        + message((6, [message((1, actor)) for actor in event["checkers"]]), (7, event.get("policy_version", 0)))
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


# ---- Small ledgers of the families ----------------------------------------------------------------------------------

ANN, BEN, CEM, DAN = (bytes([number]) * 16 for number in (1, 2, 3, 4))
LATE_FEE, POOL_TRANSFER, PERSONAL_INTEREST, LOAN_INTEREST = 4, 5, 6, 7


def on(year, month, day):
    """A date in days since 1970-01-01."""
    return datetime.date(year, month, day).toordinal() - datetime.date(1970, 1, 1).toordinal()


def terms(rates=None, splits=None, items=None, reasons=(), method=0, is_income_emptied=0):
    """A PolicyTerms; an item is (from pool, from personal, limit)."""
    shares = {code: [message((1, who), (2, weight)) for who, weight in split] for code, split in (splits or {}).items()}
    return message(
        (1, [message((1, kind), (2, ppm)) for kind, ppm in (rates or {}).items()]),
        (2, [message((1, code), (2, split)) for code, split in shares.items()]),
        (3, [message((1, code), (2, pool), (3, own), (4, most)) for code, (pool, own, most) in (items or {}).items()]),
        (4, list(reasons)), (5, method), (6, is_income_emptied),
    )  # fmt: skip


def line(account, *amounts):
    """A line of a contribution (base, employer's, person's, pooled part) or of an interest run (basis, interest)."""
    return message((1, account), *enumerate(amounts, 2))


def payout(item, period):
    """What a payee gets a payment as."""
    return message((1, item), (2, period))


class FamilyLedger(Ledger):
    """A ledger whose accounts go by their names."""

    def __init__(self):
        super().__init__()
        self.numbers, self.kinds = {}, {}

    def define(self, fund, name, family, scheme=0, policy="", excludes=()):
        """Adds a fund."""
        fields = ((1, fund), (2, name), (4, family), (9, policy), (11, scheme), (12, list(excludes)))
        self.add(f"fund-{name}", 21, *fields)

    def set_policy(self, name, version, terms_set, effective=0):
        """Adds a policy version."""
        self.add(f"{name}-v{version}", 22, (1, name), (2, version), (3, effective), (4, 2), (8, terms_set))

    def open(self, account, kind, fund=1, person=None, unit=""):
        """Adds an account."""
        number = self.numbers[account] = len(self.numbers) + 1
        self.kinds[number] = kind
        fields = ((1, number), (2, account), (3, fund), (4, kind), (5, unit))
        self.add(f"open-{account}", 23, *fields, *([(6, person)] if person else []))

    def post(self, name, number, *fields, day=0, policy_version=1, **legs):
        """Adds an event with legs by account: above 0 a debit."""
        self.add(name, number, *fields, legs=self.legs(legs), day=day)
        self.events[-1]["policy_version"] = policy_version

    def legs(self, amounts):
        """Legs from amounts by account."""
        return [(self.numbers[account], 0, amount) for account, amount in amounts.items() if amount]

    def change(self, name, legs=None, fields=(), **more):
        """Changes one event: its legs, fields of its payload (None takes one away), or anything else of it."""
        event = self.events[self.at[name]]
        if legs is not None:
            event["legs"] = self.legs(legs)
        number, *payload = event["payload"]
        changed = dict(fields)
        payload = [pair for pair in payload if pair[0] not in changed]
        event["payload"] = (number, *payload, *(pair for pair in changed.items() if pair[1] is not None))
        event.update(more)

    def digest(self):
        """The trial balance of a ledger of one fund, as its legs leave it."""
        balances = {}
        for account, lot, amount in (leg for event in self.events for leg in event["legs"]):
            is_debit_normal = self.kinds[account] == kinds.SOURCE or self.kinds[account] in kinds.ASSETS
            balances[account, lot] = balances.get((account, lot), 0) + (amount if is_debit_normal else -amount)
        return trial_balance(*((*key, balance) for key, balance in sorted(balances.items()) if balance))


def nontax():
    """Non-tax revenue of two notices: 3,333.33 split 20/30/50, then refunded in part; another that is paid in parts."""
    ledger = FamilyLedger()
    ledger.set_policy("shares", 1, terms(splits={"fine": [("upper", 20), ("lower", 30), ("own", 50)]}))
    ledger.define(1, "fines", 4, policy="shares")
    for account, kind in (("treasury", 20), ("pending", 47), ("own", 48), ("upper", 45), ("lower", 46)):
        ledger.open(account, kind)
    ledger.add("notice", 70, (1, "N1"), (2, 1), (3, ANN), (4, "fine"), (5, 333_333))
    ledger.post("collect", 71, (1, "N1"), (2, "b1"), treasury=333_333, pending=-333_333)
    ledger.post("split", 72, (1, "N1"), pending=333_333, upper=-66_667, lower=-100_000, own=-166_666)
    ledger.post("refund", 73, (1, "N1"), (2, "b2"), upper=20_000, lower=30_000, own=50_000, treasury=-100_000)
    ledger.add("notice-2", 70, (1, "N2"), (2, 1), (3, BEN), (4, "fine"), (5, 1_000))
    ledger.post("collect-2", 71, (1, "N2"), (2, "b3"), treasury=600, pending=-600)
    ledger.post("refund-2", 73, (1, "N2"), (2, "b4"), pending=100, treasury=-100)
    ledger.post("split-2", 72, (1, "N2"), pending=500, upper=-100, lower=-150, own=-250)
    ledger.post("collect-3", 71, (1, "N2"), (2, "b5"), treasury=400, pending=-400)
    ledger.post("refund-3", 73, (1, "N2"), (2, "b6"), pending=400, upper=10, lower=15, own=25, treasury=-450)
    ledger.post("collect-4", 71, (1, "N2"), (2, "b7"), treasury=550, pending=-550)
    return ledger


def contribution(ledger, name, period, kind=1, late_days=0, fee=0, day=on(2025, 1, 10)):
    """Contributions on bases of 8,000, 10,000 and 12,000: 16% by the employer, 8% by the person."""
    parts = ((800_000, 128_000, 64_000), (1_000_000, 160_000, 80_000), (1_200_000, 192_000, 96_000))
    lines = [line(ledger.numbers[who], *amounts) for who, amounts in zip(("ann", "ben", "cem"), parts)]
    fields = ((1, f"bank-{name}"), (2, DAN), (3, period), (4, kind), (5, lines), (6, late_days), (7, fee))
    own = {"ann": -64_000, "ben": -80_000, "cem": -96_000}
    ledger.post(name, 80, *fields, day=day, income=720_000 + fee, pool=-480_000 - fee, **own)


def pension(is_short=False):
    """A pension fund from its opening to two years' interest; `is_short`: only to its first contributions."""
    ledger = FamilyLedger()
    rates = {1: 160_000, 2: 80_000, LATE_FEE: 500, POOL_TRANSFER: 120_000, PERSONAL_INTEREST: 26_200}
    items = {"pension": (1, 1, 1_000_000), "basic": (1, 0, 0), "account": (0, 1, 0)}
    ledger.set_policy("pension", 1, terms(rates, None, items, method=1, is_income_emptied=1))
    ledger.define(1, "employees", 5, 11, "pension", excludes=["residents"])
    bank = (("fiscal", 21), ("income", 22), ("payout", 23), ("bond", 27), ("upper", 45), ("pool", 42))
    for account, kind in bank:
        ledger.open(account, kind)
    for account, person in (("ann", ANN), ("ben", BEN), ("cem", CEM)):
        ledger.open(account, 43, person=person)
    opening = {"fiscal": 73_000_000, "pool": -70_000_000, "ann": -3_000_000}
    ledger.post("opening", 24, (1, 1), (2, "old books"), day=on(2024, 12, 31), **opening)
    contribution(ledger, "contribute", 202501)
    if is_short:
        return ledger
    contribution(ledger, "late", 202502, late_days=30, fee=10_800, day=on(2025, 3, 30))
    contribution(ledger, "back", 202501, kind=2)
    ledger.post("sweep", 82, (1, "b1"), day=on(2025, 1, 31), fiscal=2_170_800, income=-2_170_800)
    ledger.add("month", 39, (1, 1), (2, 202412), (3, ledger.digest()), day=on(2025, 1, 31))
    ledger.post("fund-payout", 82, (1, "b2"), day=on(2025, 2, 1), payout=2_000_000, fiscal=-2_000_000)
    ledger.post("bonds", 82, (1, "b3"), (2, "d-1"), day=on(2025, 2, 1), bond=500_000, fiscal=-500_000)
    ledger.post("from-above", 82, (1, "b4"), day=on(2025, 2, 2), fiscal=900, upper=-900)
    ledger.post("to-above", 82, (1, "b5"), day=on(2025, 2, 2), upper=400, fiscal=-400)
    ledger.post("subsidy", 81, (1, 1), (2, "b6"), day=on(2025, 2, 3), fiscal=5_000, pool=-5_000)
    ledger.reverse("no-subsidy", "subsidy", day=on(2025, 2, 4))
    ledger.reverse("no-bonds", "bonds", day=on(2025, 2, 4))
    ledger.add("employed", 43, (1, BEN), (2, 3), (3, on(2025, 6, 1)), (5, "register"))
    ledger.add("restored", 43, (1, BEN), (2, 6), (3, on(2025, 9, 1)), (4, 1), (5, "register"))
    spring, benefit = on(2025, 3, 5), {"pool": 245_000, "ann": 86_331, "payout": -331_331}
    pay = ((2, 7), (3, "pension"), (4, 202503))
    ledger.post("V1", 83, (1, "V1"), *pay, day=spring, **benefit)
    again = (84, (1, "V1"), (2, ledger.at["V1"]))
    ledger.post("recover", *again, (3, "b7"), day=spring, payout=100_000, pool=-73_944, ann=-26_056)
    ledger.post("recover-rest", *again, (3, "b8"), day=spring, payout=231_331, pool=-171_056, ann=-60_275)
    ledger.post("V2", 83, (1, "V2"), *pay, (5, DAN), day=spring, **benefit)
    ledger.post("V3", 83, (1, "V3"), (2, 8), (3, "basic"), (4, 202505), day=spring, pool=900, payout=-900)
    ledger.post("V4", 83, (1, "V4"), (2, 8), (3, "account"), (4, 202509), day=spring, ben=900, payout=-900)
    moved = ((3, 61_000_000), (4, "peer"), (5, "b9"))
    ledger.post("out", 85, (1, 2), (2, 9), *moved, day=spring, pool=7_320_000, cem=288_000, fiscal=-7_608_000)
    ledger.post("in", 85, (1, 1), (2, 8), (3, 10), (5, "b10"), day=spring, fiscal=50_001, pool=-1, ben=-50_000)
    ledger.add("close-cem", 44, (1, 9), day=spring)
    ledger.open("cem-2", 43, person=CEM)
    lines = [line(7, 3_000_000, 78_600), line(8)]
    fields = ((1, 1), (2, 2025), (3, 26_200), (4, 1))
    ledger.post("interest", 86, *fields, (5, lines), day=on(2025, 12, 31), pool=78_600, ann=-78_600)
    # 3,000,000 + 3 * 64,000 - 86,331 + 78,600, and 3 * 80,000 - 900 + 50,000.
    lines = [line(7, 3_184_269, 83_428), line(8, 289_100, 7_574)]
    more = {"pool": 91_002, "ann": -83_428, "ben": -7_574}
    ledger.post("interest-2", 86, (1, 1), (2, 2026), *fields[2:], (5, lines), day=on(2027, 1, 5), **more)
    return ledger


def residents(ledger):
    """Adds a fund that the pension fund excludes, with an account of Ann's and one of Dan's."""
    ledger.define(2, "residents", 5, 12, "pension")
    for account, kind in (("income-2", 22), ("pool-2", 42)):
        ledger.open(account, kind, fund=2)
    ledger.open("ann-2", 43, fund=2, person=ANN)
    ledger.open("dan-2", 43, fund=2, person=DAN)
    return ledger


def housing():
    """A housing provident fund through a year: deposits, a withdrawal, a loan, interest by day, its surplus."""
    ledger = FamilyLedger()
    rates = {1: 120_000, 2: 120_000, PERSONAL_INTEREST: 15_000, LOAN_INTEREST: 26_000}
    splits = {"surplus": [("reserve", 60), ("fee", 15), ("rent", 25)]}
    ledger.set_policy("housing", 1, terms(rates, splits, reasons=["PURCHASE", "RENT"], method=2))
    ledger.define(1, "housing", 6, policy="housing")
    for account, kind in (
        ("deposit", 24), ("surplus-deposit", 25), ("loan", 26), ("bond", 27), ("surplus", 49), ("reserve", 50),
        ("fee", 51), ("rent", 52),
    ):  # fmt: skip
        ledger.open(account, kind)
    ledger.open("ann", 44, person=ANN)
    ledger.open("ben", 44, person=BEN)
    opening = {"deposit": 63_600_000, "surplus-deposit": 5_000_000, "surplus": -5_000_000}
    own = {"ann": -3_600_000, "ben": -60_000_000}
    ledger.post("opening", 24, (1, 1), (2, "old books"), day=on(2025, 6, 30), **opening, **own)
    for at in range(12):
        year, month = 2025 + (at + 6) // 12, (at + 6) % 12 + 1
        period, day = year * 100 + month, on(year, month, 15)
        lines = [line(9, 1_000_000, 120_000, 120_000)]
        fields = ((1, f"bank-{period}"), (2, DAN), (3, period), (4, 1), (5, lines))
        ledger.post(f"save-{period}", 80, *fields, day=day, deposit=240_000, ann=-240_000)
    taken = ((2, 9), (3, "RENT"), (4, bytes(32)), (6, ANN))
    ledger.post("W1", 100, (1, "W1"), *taken, day=on(2026, 1, 20), ann=1_000_000, deposit=-1_000_000)
    lent = ((2, 10), (3, 360), (4, 26_000), (5, 200_170))
    ledger.post("lend", 101, (1, "L1"), *lent, day=on(2026, 2, 1), loan=50_000_000, deposit=-50_000_000)
    fields, day = ((1, "L1"), (2, 202603), (3, "b1")), on(2026, 3, 1)
    ledger.post("repay", 102, *fields, day=day, deposit=200_170, loan=-91_837, surplus=-108_333)
    fields = ((1, 1), (2, 2026), (3, 15_000), (4, 2), (5, [line(9, 1_679_040_000, 69_960)]))
    ledger.post("interest", 86, *fields, day=on(2026, 6, 30), surplus=69_960, ann=-69_960)
    parts = {"reserve": -3_023_024, "fee": -755_756, "rent": -1_259_593}
    ledger.post("distribute", 103, (1, "d-1"), day=on(2026, 7, 1), surplus=5_038_373, **parts)
    ledger.post("W2", 100, (1, "W2"), *taken, day=on(2026, 7, 2), ann=500, deposit=-500)
    fields, day = ((1, "W2"), (2, ledger.at["W2"]), (3, "b2")), on(2026, 7, 3)
    ledger.post("unused", 84, *fields, day=day, deposit=200, ann=-200)
    ledger.post("earned", 81, (1, 2), (2, "b3"), day=day, **{"surplus-deposit": 70, "surplus": -70})
    ledger.post("moved", 82, (1, "b4"), day=day, **{"surplus-deposit": 30, "deposit": -30})
    ledger.post("bonds", 82, (1, "b5"), (2, "d-2"), day=day, bond=50, deposit=-50)
    return ledger


def authority(family, scheme=0, policy_terms=b""):
    """A fund with authority and lots: 1,000 of plan and cash, its accounts numbered as in `small`."""
    ledger = FamilyLedger()
    ledger.set_policy("policy", 1, policy_terms)
    ledger.define(1, "fund", family, scheme, "policy")
    for number, kind in enumerate(KINDS, 1):
        ledger.open(f"a{number}", kind, unit="unit-a" if kind in PER_UNIT else "")
    ledger.move("issue", 25, (1, lot_opened(1)), debit=SOURCE, credit=UNALLOCATED, amount=1_000)
    ledger.move("allocate", 26, debit=UNALLOCATED, credit=UNIT, amount=1_000)
    ledger.move("plan", 28, debit=UNIT, credit=PLAN, amount=1_000)
    ledger.move("cash", 33, (1, "bank-1"), debit=TREASURY, credit=FUND_LOT, amount=1_000)
    return ledger


def pay_for(ledger, name, amount, *fields):
    """Adds a payment with more fields: a project (6) or a payout (10)."""
    ledger.pay(name, PLAN, amount)
    ledger.change(name, fields={2: ANN, **dict(fields)}, policy_version=1)


def zigzag(number):
    """A number of a sint64 field."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def commit(ledger, name, amount, *fields):
    """Commits authority to the contract K of BEN."""
    ledger.move(name, 29, (1, "K"), (3, BEN), *fields, debit=PLAN, credit=COMMITTED, amount=amount)


def school():
    """A project from its tender to its final account, with goals."""
    ledger = authority(3)
    late = D1 + 20
    ledger.add("estimate", 45, (1, "school"), (2, 1), (3, 500), (4, "council"), (5, "e-1"))
    ledger.add("tender", 142, (1, "T"), (2, 1), (3, "unit-a"), (4, "school"), (5, 1), (6, 100), (7, "ocds-213czf-1"))
    ledger.add("award", 143, (1, "T"), (2, BEN), (3, 90))
    ledger.add("contract", 144, (1, "K"), (2, 1), (3, "unit-a"), (4, "school"), (5, "T"), (8, BEN), (9, 80))
    commit(ledger, "commit", 70)
    for name in ("P1", "P2"):
        ledger.pay(name, COMMITTED, 50)
        ledger.change(name, fields={2: BEN, 6: "school", 7: "K"}, policy_version=1)
        if name == "P1":
            ledger.reverse("no-P1", "P1")
            ledger.change("no-P1", fields={4: "K"})
    ledger.add("amend", 145, (1, "K"), (2, zigzag(8)))
    commit(ledger, "commit-2", 18)
    ledger.move("release", 30, (1, "K"), debit=COMMITTED, credit=PLAN, amount=8)
    ledger.add("reduce", 145, (1, "K"), (2, zigzag(-8)))
    goal = ((1, 2), (2, "school"), (3, 2026))
    first = ledger.add("goal", 140, *goal, (4, "places"), (8, 900), (9, 1), (10, 600_000))
    ledger.add("goal-2", 140, *goal, (4, "costs"), (8, 900), (9, 2), (10, 400_000))
    ledger.add("goal-3", 140, *goal, (4, "places"), (8, 900), (9, 1), (10, 500_000), (11, first))
    first = ledger.add("output", 141, *goal, (4, "places"), (5, 600), (6, D1))
    ledger.add("output-2", 141, *goal, (4, "places"), (5, 700), (6, D1), (7, first))
    ledger.add("settle", 146, (1, "K"), (2, 60), (3, 10), (4, late))
    ledger.pay("P3", COMMITTED, 10, day=late)
    ledger.change("P3", fields={2: BEN, 6: "school", 7: "K"}, policy_version=1)
    ledger.add("final", 147, (1, "school"), (2, 1), (3, 60), day=late)
    return ledger


def investment():
    """A project that stays within its estimate, since a payment was returned and another reversed."""
    ledger = authority(3)
    ledger.add("estimate", 45, (1, "bridge"), (2, 1), (3, 500), (4, "council"), (5, "e-1"))
    pay_for(ledger, "P1", 300, (6, "bridge"))
    pay_for(ledger, "P2", 200, (6, "bridge"))
    ledger.reverse("no-P2", "P2")
    ledger.clear("clear", 300, "P1")
    ledger.give_back("back", "P1", PLAN, 100)
    pay_for(ledger, "P3", 300, (6, "bridge"))
    ledger.add("estimate-2", 45, (1, "bridge"), (2, 1), (3, 600), (4, "council"), (5, "e-2"))
    pay_for(ledger, "P4", 100, (6, "bridge"))
    return ledger


def relief():
    """Payouts to a person: one returned, one reversed, each paid again."""
    ledger = authority(1, 3, terms(items={"grain": (0, 0, 200)}))
    pay_for(ledger, "P1", 200, (10, payout("grain", 202601)))
    ledger.clear("clear", 200, "P1")
    ledger.give_back("back", "P1", PLAN, 150)
    ledger.give_back("back-rest", "P1", PLAN, 50)
    pay_for(ledger, "P2", 100, (10, payout("grain", 202601)))
    ledger.reverse("no-P2", "P2")
    pay_for(ledger, "P3", 100, (10, payout("grain", 202601)))
    return ledger


def education():
    """What is due for 1,250 pupils at 850.00, split 50/30/20."""
    ledger = authority(1, 4, terms(splits={"pupils": [("central", 50), ("province", 30), ("county", 20)]}))
    shares = (("central", 53_125_000), ("province", 31_875_000), ("county", 21_250_000))
    due = [message((1, level), (2, amount)) for level, amount in shares]
    fields = ((1, 1), (2, "school"), (3, "pupils"), (4, 202602), (5, 1_250), (6, 85_000), (7, due))
    ledger.add("due", 46, *fields)
    ledger.change("due", policy_version=1)
    return ledger


def verified(data, deep=True):
    """The report of a bundle's bytes."""
    return verify.verify(io.BytesIO(data), deep)


class BundleTest(unittest.TestCase):
    """What a report must say."""

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

    def good(self, ledger):
        """Nothing is found."""
        report = verified(ledger.bundle())
        self.assertEqual(report["faults"], [])
        self.assertEqual(report["verdict"], "verified")

    def check_events(self, ledger, name, kind, only=True, says=""):
        """A ledger whose chain is right, but whose events are not; `says`: part of the first message."""
        report = self.check(ledger.bundle(), ledger.at[name], kind, only=only)
        self.assertIn(says, report["faults"][0]["message"])
        shallow = verified(ledger.bundle(), deep=False)
        expected = "broken" if kind in ("request_id", "time", "genesis", "decode") else "verified"
        self.assertEqual(shallow["verdict"], expected, shallow["faults"])


class VerifyTest(BundleTest):
    """What verifies, what does not, and where and why."""

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

    def test_what_stands_for_one_thing_stands_once(self):
        ledger = small()
        ledger.move("cash-2", 33, (1, "bank-91"), debit=TREASURY, credit=FUND_LOT, amount=90, lot=2, day=D2)
        self.good(ledger)
        ledger.move("cash-3", 33, (1, "bank-91"), debit=TREASURY, credit=FUND_LOT, amount=90, lot=2, day=D2)
        self.check_events(ledger, "cash-3", "books", says="'bank-91' was used before")
        # A document is its issuer's: the same number of another one is another document.
        for issuer, is_found in (("province", True), ("city", False)):
            ledger = small()
            marks = ((1, 1), (2, "d-9"), (3, "province")), ((1, 1), (2, "d-9"), (3, issuer))
            for name, fields in zip(("more", "again"), marks):
                ledger.move(name, 27, *fields, debit=SOURCE, credit=UNALLOCATED, amount=5, lot=2, day=D2)
            if is_found:
                self.check_events(ledger, "again", "books", says="'d-9' was used before")
            else:
                self.good(ledger)

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


class FamiliesTest(BundleTest):
    """The rules of the families: for each a log that is right, and one thing in it that is not."""

    def finds(self, ledger, name, kind, says, only=True, **changes):
        """One event is changed, and what follows it is left out, since it rests on it: that is all that is found."""
        with self.subTest(name=name, says=says):
            del ledger.events[ledger.at[name] + 1 :]
            ledger.change(name, **changes)
            report = self.check(ledger.bundle(), ledger.at[name], kind, only=only)
            messages = [fault["message"] for fault in report["faults"]]
            self.assertTrue(any(says in message for message in messages), messages)

    def test_good(self):
        for make in (nontax, pension, housing, investment, relief, education, school):
            with self.subTest(make.__name__):
                self.good(make())
        self.good(residents(pension()))

    def test_later_events_do_not_suffer(self):
        # What an event did counts as it stands: one wrong event, one bad sequence.
        for make, name, fields in (
            (nontax, "notice", {3: b"short"}), (pension, "late", {7: 10_801}), (housing, "lend", {5: 0}),
            (housing, "W1", {3: "GIFT"}), (pension, "V1", {3: "gift"}),
        ):  # fmt: skip
            with self.subTest(name=name):
                ledger = make()
                ledger.change(name, fields=fields)
                report = verified(ledger.bundle())
                found = {fault["sequence"] for fault in report["faults"]}
                self.assertEqual(found, {ledger.at[name]}, report["faults"])

    # -- Arithmetic

    def test_arithmetic(self):
        self.assertEqual(families.split(333_333, [20, 30, 50]), [66_667, 100_000, 166_666])
        self.assertEqual(families.split(10, [1, 1, 1]), [4, 3, 3])
        self.assertEqual(families.split(2, [1, 1, 1]), [1, 1, 0])
        self.assertEqual(families.split(0, [0, 0]), [0, 0])
        self.assertEqual([families.half_up(n, 4) for n in (1, 2, 3, 5, 6)], [0, 1, 1, 1, 2])
        first, last = families.interest_year(families.HOUSING_PROVIDENT, 2026)
        self.assertEqual((first, last), (on(2025, 7, 1), on(2026, 6, 30)))
        self.assertEqual(families.interest_year(families.SOCIAL_INSURANCE, 2026), (on(2026, 1, 1), on(2026, 12, 31)))

    def test_day_product_is_the_sum_of_each_day(self):
        changes = [(on(2026, 1, 20), 700), (on(2025, 6, 30), 90), (on(2026, 6, 30), -50), (on(2026, 7, 1), 1)]
        changes.append((on(2024, 1, 1), 4))
        first, last = families.interest_year(families.HOUSING_PROVIDENT, 2026)
        by_days = sum(sum(amount for day, amount in changes if day <= today) for today in range(first, last + 1))
        self.assertEqual(families.interest_basis(families.DAY_PRODUCT, changes, first, last), by_days)
        changes.append((first, 8))
        self.assertEqual(families.interest_basis(families.OPENING_BALANCE, changes, first, last), 94)

    # -- The policy version

    def test_policy_version_in_force(self):
        for make, name in (
            (pension, "contribute"), (pension, "V1"), (pension, "out"), (pension, "interest"), (housing, "W1"),
            (housing, "lend"), (housing, "distribute"), (nontax, "split"), (education, "due"), (relief, "P1"),
        ):  # fmt: skip
            for version in (0, 2):
                says = f"policy version {version} is named, 1 is in force"
                self.finds(make(), name, "books", says, only=False, policy_version=version)
        # A later version is in force from its day on, whenever it was set.
        ledger = pension(is_short=True)
        same = ledger.events[ledger.at["pension-v1"]]["payload"][-1][1]
        ledger.set_policy("pension", 2, same, on(2025, 6, 1))
        contribution(ledger, "may", 202505, day=on(2025, 5, 31))
        contribution(ledger, "june", 202506, day=on(2025, 6, 1))
        self.finds(copy.deepcopy(ledger), "june", "books", "policy version 1 is named, 2 is in force")
        ledger.change("june", policy_version=2)
        self.good(ledger)
        self.finds(ledger, "may", "books", "policy version 2 is named, 1 is in force", policy_version=2)

    # -- Families, kinds, persons' accounts

    def test_families_and_schemes(self):
        for family, scheme, says in (
            (1, 7, "has scheme 7"), (7, 0, "unknown family 7"), (0, 0, "unknown family 0"), (1, 11, "has scheme 11"), (5, 0, "has scheme 0"),
            (5, 18, "has scheme 18"), (2, 1, "has scheme 1"), (6, 11, "has scheme 11"), (4, 1, "has scheme 1"),
        ):  # fmt: skip
            ledger = FamilyLedger()
            ledger.define(1, "fund", family, scheme)
            self.finds(ledger, "fund-fund", "books", says)

    def test_kinds_of_a_family(self):
        schemes = {1: 6, 5: 17}
        every = (*range(1, 10), *range(20, 28), *range(40, 53))
        allowed = {
            1: KINDS, 2: KINDS, 3: KINDS, 4: (20, 45, 46, 47, 48), 5: (21, 22, 23, 27, 42, 43, 45, 46),
            6: (24, 25, 26, 27, 44, 49, 50, 51, 52),
        }  # fmt: skip
        for family, may_have in allowed.items():
            for kind in every:
                ledger = FamilyLedger()
                ledger.define(1, "fund", family, schemes.get(family, 0))
                ledger.open("account", kind, person=ANN if kind in kinds.PERSONS else None)
                if kind in may_have:
                    self.good(ledger)
                else:
                    self.finds(ledger, "open-account", "books", f"in a fund of family {family}")
        ledger = FamilyLedger()
        ledger.define(1, "fund", 1)
        ledger.open("account", 53)
        self.finds(ledger, "open-account", "books", "unknown kind 53")

    def test_persons_of_accounts(self):
        self.finds(pension(), "open-ann", "books", "names a person by 0 bytes", fields={6: None})
        self.finds(pension(), "open-ann", "books", "names a person by 15 bytes", fields={6: bytes(15)})
        self.finds(pension(), "open-pool", "books", "names a person by 16 bytes", fields={6: ANN})

    def test_one_account_a_person(self):
        ledger = pension(is_short=True)
        ledger.define(2, "employees-2", 5, 11)
        ledger.open("other", 43, fund=2, person=ANN)
        self.finds(ledger, "open-other", "books", "its person has account 7 already")
        ledger = housing()
        ledger.define(2, "housing-2", 6)
        ledger.open("other", 44, fund=2, person=BEN)
        self.finds(ledger, "open-other", "books", "its person has account 10 already")
        # Another scheme is another account; so is one that comes after the first was closed.
        ledger = pension()
        ledger.open("cem-3", 43, person=CEM)
        self.finds(ledger, "open-cem-3", "books", "its person has account 10 already")
        self.good(residents(pension(is_short=True)))

    def test_closed_accounts(self):
        self.finds(pension(), "close-cem", "books", "is closed, but holds", fields={1: 8})
        self.finds(pension(), "close-cem", "books", "unknown account 99", fields={1: 99})
        ledger = pension()
        ledger.add("again", 44, (1, 9))
        self.finds(ledger, "again", "books", "account 9 was closed before")
        ledger = pension()
        more = {"fiscal": 5, "cem": -5}
        ledger.post("after", 85, (1, 1), (2, 9), (5, "b"), day=on(2027, 1, 6), **more)
        self.finds(ledger, "after", "books", "leg on account 9, which is closed")
        ledger = authority(1)
        ledger.add("lots", 44, (1, PLAN))
        self.finds(ledger, "lots", "books", "is closed, but holds 1000")

    def test_one_leg_each(self):
        for make, name, account, legs in (
            (nontax, "collect", "pending", ((1, 1), (2, -1))),
            (pension, "contribute", "pool", ((6, -1),)),
            (pension, "contribute", "ann", ((7, -1),)),
            (pension, "subsidy", "pool", ((6, -1),)),
            (pension, "V1", "payout", ((3, -1),)),
            (pension, "recover", "payout", ((3, 1),)),
            (housing, "repay", "loan", ((3, -1),)),
            (pension, "out", "pool", ((6, 1),)),
            (pension, "interest", "pool", ((6, 1),)),
            (housing, "W1", "ann", ((9, 1),)),
            (housing, "lend", "loan", ((3, 1),)),
            (housing, "distribute", "reserve", ((6, -1),)),
        ):  # fmt: skip
            with self.subTest(name=name, account=account):
                ledger = make()
                del ledger.events[ledger.at[name] + 1 :]
                ledger.events[-1]["legs"] += [(number, 0, amount) for number, amount in legs]
                messages = [fault["message"] for fault in verified(ledger.bundle())["faults"]]
                self.assertIn("has several legs on one side of", " ".join(messages))

    def test_kinds_of_each_event(self):
        # One account of another kind in place of the right one: (event, what is wrong, legs).
        own = {"ann": -64_000, "ben": -80_000, "cem": -96_000}
        for make, name, says, legs in (
            (nontax, "collect", "debits NONTAX_SHARE", {"own": 333_333, "pending": -333_333}),
            (nontax, "split", "credits TREASURY", {"pending": 333_333, "treasury": -333_333}),
            (nontax, "refund", "credits NONTAX_PENDING", {"own": 100_000, "pending": -100_000}),
            (pension, "contribute", "debits PAYOUT", {"payout": 240_000, **own}),
            (pension, "subsidy", "debits INCOME", {"income": 5_000, "pool": -5_000}),
            (pension, "V1", "credits FISCAL_SPECIAL", {"pool": 245_000, "ann": 86_331, "fiscal": -331_331}),
            (pension, "recover", "debits FISCAL_SPECIAL", {"fiscal": 100_000, "pool": -73_944, "ann": -26_056}),
            (pension, "out", "credits INCOME", {"cem": 288_000, "income": -288_000}),
            (pension, "in", "credits FISCAL_SPECIAL", {"pool": 1, "ben": 50_000, "fiscal": -50_001}),
            (pension, "interest", "debits FISCAL_SPECIAL", {"fiscal": 78_600, "ann": -78_600}),
            (housing, "W1", "credits HOUSING_SURPLUS_DEPOSIT", {"ann": 1_000_000, "surplus-deposit": -1_000_000}),
            (housing, "lend", "credits HOUSING_SURPLUS_DEPOSIT", {"loan": 5_000_000, "surplus-deposit": -5_000_000}),
            (housing, "repay", "credits HOUSING_PERSONAL", {"deposit": 200_170, "ann": -200_170}),
            (housing, "distribute", "credits HOUSING_PERSONAL", {"surplus": 5_038_373, "ann": -5_038_373}),
        ):
            with self.subTest(name=name):
                ledger = make()
                del ledger.events[ledger.at[name] + 1 :]
                ledger.change(name, legs=legs)
                report = verified(ledger.bundle())
                self.assertEqual(report["first_bad_sequence"], ledger.at[name])
                self.assertIn(says, " ".join(fault["message"] for fault in report["faults"]))
        for name in ("close-cem", "employed"):
            self.finds(pension(), name, "books", "debits FISCAL_SPECIAL", legs={"fiscal": 1, "pool": -1})
        self.finds(nontax(), "notice", "books", "debits TREASURY", legs={"treasury": 1, "pending": -1})
        self.finds(pension(), "out", "books", "RelationTransferred of direction 3", fields={1: 3})
        for name in ("subsidy", "sweep", "contribute", "V1", "in"):
            self.finds(pension(), name, "books", "without legs", legs={})

    def test_balances(self):
        # I2 and I6 hold for the new kinds as for the old ones.
        legs = {"payout": 80_000_000, "fiscal": -80_000_000}
        self.finds(pension(), "fund-payout", "books", "account 1, lot 0: balance", legs=legs)
        legs = {"pool": 901, "payout": -900}
        self.finds(pension(), "V3", "books", "cash book: debits and credits differ by 1", legs=legs)
        ledger = housing()
        ledger.post("more", 82, (1, "b"), day=on(2026, 8, 1), **{"deposit": 99_000_000, "surplus-deposit": -99_000_000})
        self.finds(ledger, "more", "books", "account 2, lot 0: balance")

    # -- Non-tax revenue

    def test_notices(self):
        for fields, says in (
            ({1: ""}, "no notice_id"), ({2: 9}, "not of non-tax"), ({3: bytes(15)}, "names its payer by 15 bytes"),
            ({5: 0}, "of 0"), ({5: 1 << 53}, "of 9007199254740992"), ({5: -1}, "of -1"),
        ):  # fmt: skip
            self.finds(nontax(), "notice", "payment", says, fields=fields)
        self.finds(nontax(), "notice-2", "payment", "notice 'N1' exists", fields={1: "N1"})
        for amount in (1, (1 << 53) - 1):
            ledger = nontax()
            ledger.add("other", 70, (1, "N3"), (2, 1), (3, ANN), (4, "fine"), (5, amount))
            self.good(ledger)
        ledger = nontax()
        ledger.define(2, "special", 1)
        ledger.add("other", 70, (1, "N3"), (2, 2), (3, ANN), (4, "fine"), (5, 1))
        self.finds(ledger, "other", "payment", "not of non-tax")

    def test_collections(self):
        self.finds(nontax(), "collect", "payment", "unknown notice 'N9'", fields={1: "N9"})
        legs = {"treasury": 333_334, "pending": -333_334}
        self.finds(nontax(), "collect", "payment", "333334 collected on notice 'N1' of 333333", legs=legs)
        self.finds(nontax(), "collect-4", "payment", "of 1000", legs={"treasury": 551, "pending": -551})
        for name, number, legs in (
            ("collect", 71, {"treasury-2": 1, "pending-2": -1}),
            ("split", 72, {"pending-2": 1, "own-2": -1}),
            ("refund", 73, {"own-2": 1, "treasury-2": -1}),
        ):
            ledger = nontax()
            ledger.define(2, "fines-2", 4, policy="shares")
            ledger.open("treasury-2", 20, fund=2)
            ledger.open("pending-2", 47, fund=2)
            ledger.open("own-2", 48, fund=2)
            ledger.post(f"{name}-other", number, (1, "N2"), (2, "b"), **legs)
            report = self.check(ledger.bundle(), ledger.at[f"{name}-other"], "payment")
            self.assertIn("notice 'N2' is of fund 1", report["faults"][0]["message"])

    def test_splits(self):
        parts = {"upper": -66_666, "lower": -100_000, "own": -166_667}
        self.finds(nontax(), "split", "payment", "moves 66666, 66667 is due", legs={"pending": 333_333, **parts})
        legs = {"pending": 333_330, "upper": -66_666, "lower": -99_999, "own": -166_665}
        self.finds(nontax(), "split", "payment", "333330 is split, 333333 is pending", legs=legs)
        self.finds(nontax(), "split", "payment", "unknown notice", fields={1: "N9"})
        self.finds(nontax(), "split", "books", "sets no split 'fine'", policy_version=2)
        ledger = nontax()
        ledger.define(2, "fines-2", 4)
        ledger.open("theirs", 48, fund=2)
        ledger.set_policy("shares", 2, terms(splits={"fine": [("upper", 1), ("theirs", 1)]}))
        ledger.post("last", 72, (1, "N2"), policy_version=2, pending=550, upper=-550)
        self.finds(ledger, "last", "books", "'theirs' is no account of fund 1")
        self.finds(nontax(), "shares-v1", "books", "version 2 after 0", fields={2: 2})
        ledger = nontax()
        ledger.change("shares-v1", fields={8: terms(splits={"fine": [("upper", 20), ("nobody", 80)]})})
        self.finds(ledger, "split", "books", "'nobody' is no account of fund 1")
        # Ties in the order of the policy, and the version that the event names.
        ledger = nontax()
        ledger.set_policy("shares", 2, terms(splits={"fine": [("own", 1), ("upper", 1)]}))
        ledger.add("notice-3", 70, (1, "N3"), (2, 1), (3, ANN), (4, "fine"), (5, 7))
        ledger.post("collect-5", 71, (1, "N3"), (2, "b8"), treasury=7, pending=-7)
        ledger.post("split-3", 72, (1, "N3"), policy_version=2, pending=7, upper=-3, own=-4)
        # What is left of a tie goes to the account that stood first in the split, whatever the order of its legs.
        ledger.post("refund-4", 73, (1, "N3"), (2, "b9"), own=1, treasury=-1)
        ledger.post("refund-5", 73, (1, "N3"), (2, "b10"), own=1, treasury=-1)
        self.good(ledger)
        legs = {"pending": 7, "upper": -4, "own": -3}
        self.finds(copy.deepcopy(ledger), "split-3", "payment", "moves 3, 4 is due", legs=legs)
        self.finds(ledger, "refund-5", "payment", "moves 0, 1 is due", legs={"upper": 1, "treasury": -1})

    def test_refunds(self):
        legs = {"upper": 66_667, "lower": 33_333, "treasury": -100_000}
        self.finds(nontax(), "refund", "payment", "moves 66667, 20000 is due", legs=legs)
        legs = {"upper": 66_667, "lower": 100_000, "own": 166_667, "treasury": -333_334}
        ledger = nontax()
        del ledger.events[ledger.at["refund"] + 1 :]
        ledger.change("refund", legs=legs)
        report = self.check(ledger.bundle(), ledger.at["refund"], "payment")
        self.assertIn("333334 refunded on notice 'N1', 333333 are left", report["faults"][0]["message"])
        ledger = nontax()
        legs = {"pending": 550, "upper": 90, "lower": 135, "own": 225}
        ledger.post("all", 73, (1, "N2"), (2, "b"), **legs, treasury=-1_000)
        self.good(ledger)
        # What is pending goes first.
        legs = {"pending": 399, "upper": 10, "lower": 15, "own": 26, "treasury": -450}
        self.finds(nontax(), "refund-3", "payment", "399 of what is pending, 400 is due", legs=legs)
        self.finds(nontax(), "refund", "payment", "unknown notice", fields={1: "N9"})

    # -- Contributions, income, ways of money

    def lines(self, *changed):
        """The lines of `contribute`, some of them changed: {place: line}."""
        rows = [(7, 800_000, 128_000, 64_000), (8, 1_000_000, 160_000, 80_000), (9, 1_200_000, 192_000, 96_000)]
        for at, row in changed:
            rows[at] = row
        return {5: [line(*row) for row in rows]}

    def test_contributions(self):
        contribute = pension(is_short=True)
        legs = {"income": 720_000, "pool": -480_000, "ann": -64_000, "ben": -80_000, "cem": -96_000}
        for says, fields in (
            ("is nobody's own", self.lines((1, (1, 1_000_000, 160_000, 80_000)))),
            ("is nobody's own", self.lines((1, (99, 1_000_000, 160_000, 80_000)))),
            ("stands in two lines", self.lines((2, (8, 1_200_000, 192_000, 96_000)))),
            ("unknown kind 3", {4: 3}),
            ("unknown kind 0", {4: None}),
            ("employer_minor of account 7 is 128000, 129600 is due", self.lines((0, (7, 810_000, 128_000, 64_000)))),
            ("personal_minor of account 7 is 64000, 64001 is due", self.lines((0, (7, 800_007, 128_001, 64_000)))),
            ("personal_pooled_minor of account 7 is 1, 0 is due", self.lines((0, (7, 800_000, 128_000, 64_000, 1)))),
            ("an amount of account 7 is below zero", self.lines((0, (7, -800_000, -128_000, -64_000)))),
            ("late fee 5, 0 is due", {7: 5}),
            ("late fee 0, 360 is due", {6: 1}),
            ("-1 days late", {6: -1, 7: -360}),
            ("there is no month 202500", {3: 202500}),
            ("account 9 moves 96000, 0 is due", {5: self.lines()[5][:2]}),
            ("a contribution of 0 lines", {5: []}),
            ("a contribution of 513 lines", {5: [line(7)] * 513}),
        ):
            self.finds(copy.deepcopy(contribute), "contribute", "books", says, fields=fields)
        for says, change in (
            ("the pool gets 480001, 480000 is due", {"income": 720_001, "pool": -480_001}),
            ("account 7 moves 64001, 64000 is due", {"income": 720_001, "ann": -64_001}),
            ("account 9 moves 0, 96000 is due", {"income": 624_000, "cem": 0}),
        ):
            self.finds(copy.deepcopy(contribute), "contribute", "books", says, legs={**legs, **change})
        self.finds(pension(), "late", "books", "late fee 10800, 10440 is due", fields={6: 29})
        self.finds(pension(), "late", "books", "late fee 10800, 11160 is due", fields={6: 31})

    def test_contributions_to_a_closed_account(self):
        ledger = pension()
        fields = ((1, "b"), (2, DAN), (3, 202504), (4, 1), (5, [line(9, 0, 100, 0)]))
        ledger.set_policy("pension", 2, terms())
        ledger.post("closed", 80, *fields, day=on(2027, 1, 6), policy_version=2, income=100, pool=-100)
        self.finds(ledger, "closed", "books", "account 9 is closed")

    def test_contributions_without_rates(self):
        # What the policy has no rate for is what the event says; but then nothing of a person's goes to the pool.
        ledger = pension(is_short=True)
        ledger.set_policy("pension", 2, terms({3: 20_000}))
        ledger.set_policy("pension", 3, terms({3: 20_000, LATE_FEE: 1_000}), effective=on(2025, 3, 1))
        fields = ((1, "b"), (2, DAN), (3, 202502), (4, 1), (5, [line(7, 50_025, 700, 40, 1_001)]))
        day, legs = on(2025, 2, 1), {"income": 1_741, "pool": -1_701, "ann": -40}
        ledger.post("pooled", 80, *fields, day=day, policy_version=2, **legs)
        self.good(ledger)
        fields = {5: [line(7, 50_024, 700, 40, 1_001)]}
        says = "personal_pooled_minor of account 7 is 1001, 1000 is due"
        self.finds(copy.deepcopy(ledger), "pooled", "books", says, fields=fields)
        fields, legs = {6: 2, 7: 3}, {"income": 1_744, "pool": -1_704, "ann": -40}
        self.finds(copy.deepcopy(ledger), "pooled", "books", "sets no rate for late fees", fields=fields, legs=legs)
        late, legs = {6: 2, 7: 3}, {"income": 1_744, "pool": -1_704, "ann": -40}
        ledger.change("pooled", day=on(2025, 3, 1), policy_version=3, fields=late, legs=legs)
        self.good(ledger)
        self.finds(copy.deepcopy(ledger), "pooled", "books", "late fee 2, 3 is due", fields={7: 2})
        self.finds(ledger, "pooled", "books", "personal_pooled_minor of account 7 is 1001, 0 is due", policy_version=4)

    def test_contributions_of_many(self):
        ledger = pension(is_short=True)
        ledger.set_policy("pension", 2, terms())
        for number in range(512):
            ledger.open(f"person-{number}", 43, person=struct.pack(">QQ", 9, number))
        lines = [line(ledger.numbers[f"person-{number}"], 0, 2, 1) for number in range(512)]
        fields = ((1, "b"), (2, DAN), (3, 202502), (4, 1), (5, lines))
        own = {f"person-{number}": -1 for number in range(512)}
        ledger.post("many", 80, *fields, day=on(2025, 2, 1), policy_version=2, income=1_536, pool=-1_024, **own)
        self.good(ledger)

    def test_contributions_once_a_month(self):
        def elsewhere(ledger, account, period):
            ledger.set_policy("pension", 2, terms())
            fields = ((1, "b"), (2, DAN), (3, period), (4, 1), (5, [line(ledger.numbers[account], 0, 5, 0)]))
            day, legs = on(2025, 1, 11), {"income-2": 5, "pool-2": -5}
            ledger.post("elsewhere", 80, *fields, day=day, policy_version=2, **legs)

        ledger = pension(is_short=True)
        contribution(ledger, "again", 202501)
        self.finds(ledger, "again", "books", "contribution of account 7 for 202501 was there before")
        ledger = residents(pension(is_short=True))
        elsewhere(ledger, "ann-2", 202501)
        self.finds(ledger, "elsewhere", "books", "its person has one in fund 1")
        # Only one of the two names the other, but it holds both ways.
        ledger = residents(pension(is_short=True))
        elsewhere(ledger, "ann-2", 202502)
        ledger.set_policy("pension", 3, ledger.events[ledger.at["pension-v1"]]["payload"][-1][1])
        contribution(ledger, "second", 202502)
        ledger.change("second", policy_version=3)
        self.finds(ledger, "second", "books", "its person has one in fund 2")
        # A back payment, and another person's contribution, are no second one.
        ledger = residents(pension(is_short=True))
        contribution(ledger, "back", 202501, kind=2)
        elsewhere(ledger, "dan-2", 202501)
        self.good(ledger)

    def test_housing_contributions(self):
        both = {"deposit": 240_000, "ann": -240_000}
        for says, fields in (
            ("moves 240000, 239999 is due", {5: [line(9, 1_000_000, 119_999, 120_000)]}),
            ("personal_pooled_minor of account 9 is 1, 0 is due", {5: [line(9, 1_000_000, 120_000, 120_000, 1)]}),
            ("late fee 1, 0 is due", {6: 1, 7: 1}),
        ):
            ledger = housing()
            del ledger.events[ledger.at["save-202507"] + 1 :]
            ledger.change("save-202507", fields=fields, legs=both)
            report = self.check(ledger.bundle(), ledger.at["save-202507"], "books", only=True)
            self.assertIn(says, " ".join(fault["message"] for fault in report["faults"]))
        self.finds(housing(), "save-202508", "books", "for 202507 was there before", fields={3: 202507})

    def test_ways_of_money(self):
        may = (
            {"fiscal": 9, "income": -9}, {"payout": 9, "fiscal": -9}, {"fiscal": 9, "payout": -9},
            {"bond": 9, "fiscal": -9}, {"fiscal": 9, "bond": -9}, {"fiscal": 9, "upper": -9},
            {"upper": 9, "payout": -9}, {"payout": 9, "upper": -9},
        )  # fmt: skip
        for legs in may:
            ledger = pension()
            del ledger.events[ledger.at["bonds"] + 1 :]
            contribution(ledger, "april", 202504, day=on(2025, 2, 1))
            ledger.post("lent", 82, (1, "b"), day=on(2025, 2, 1), fiscal=100, upper=-100)
            ledger.post("way", 82, (1, "c"), day=on(2025, 2, 1), **legs)
            self.good(ledger)
        for legs, says in (
            ({"payout": 9, "income": -9}, "goes from INCOME to PAYOUT"),
            ({"income": 9, "fiscal": -9}, "debits INCOME"),
            ({"bond": 9, "payout": -9}, "goes from PAYOUT to BOND"),
            ({"upper": 9, "income": -9}, "from INCOME to PAYABLE"),
            ({"bond": 9, "upper": -9}, "from PAYABLE_UPPER to BOND"),
            ({"pool": 9, "fiscal": -9}, "debits POOL"),
            ({"payout": 9, "bond": 1, "fiscal": -10}, "with 3 legs"),
            ({"fiscal": 9, "payout": -5, "bond": -4}, "with 3 legs"),
        ):
            self.finds(pension(), "to-above", "books", says, legs=legs)
        for legs in ({"surplus-deposit": 9, "bond": -9}, {"bond": 9, "surplus-deposit": -9}):
            self.finds(housing(), "bonds", "books", "FundsMoved goes from", legs=legs)

    def test_reversals(self):
        for name in ("V2", "in", "interest-2"):
            ledger = pension()
            ledger.reverse("mirror", name, payment="", day=on(2027, 2, 1))
            self.finds(ledger, "mirror", "reversal", "cannot be reversed")
        ledger = pension(is_short=True)
        ledger.reverse("mirror", "contribute", day=on(2027, 2, 1))
        self.finds(ledger, "mirror", "reversal", "cannot be reversed")
        for name in ("collect-4", "refund-3"):
            ledger = nontax()
            ledger.reverse("mirror", name)
            self.finds(ledger, "mirror", "reversal", "cannot be reversed")
        self.finds(pension(), "no-subsidy", "reversal", "not the mirror", legs={"pool": 4_999, "fiscal": -4_999})

    def test_income_account_is_empty_when_a_month_closes(self):
        january = on(2025, 1, 31)
        for emptied, day, is_found in ((1, january, True), (0, january, False), (1, on(2024, 12, 30), False)):
            ledger = pension(is_short=True)
            ledger.change("pension-v1", fields={3: on(2024, 12, 31)})
            if not emptied:
                ledger.set_policy("pension", 2, terms(), january)
                ledger.set_policy("pension", 3, terms(is_income_emptied=1), on(2025, 2, 1))
            ledger.add("month", 39, (1, 1), (2, 202412), (3, ledger.digest()), day=day)
            if is_found:
                self.finds(ledger, "month", "period", "month 202412 closed, but an income account is not zero")
            else:
                self.good(ledger)

    # -- Benefits, recoveries, facts

    def test_vouchers(self):
        self.finds(pension(), "V2", "payment", "payment 'V1' exists", fields={1: "V1"})
        self.finds(pension(), "V2", "payment", "no payment_id", fields={1: ""})
        self.finds(housing(), "W2", "payment", "payment 'W1' exists", fields={1: "W1"})
        ledger = pension()
        ledger.define(2, "special", 1)
        for number, kind in enumerate(KINDS, len(ledger.numbers) + 1):
            ledger.open(f"a{number}", kind, fund=2, unit="unit-a" if kind in PER_UNIT else "")
        base = ledger.numbers["a11"] - 1
        lot = message((1, 1), (2, "lot-1"), (3, 2), (4, "province"), (5, "d"))
        ledger.add("issue", 25, (1, lot), legs=[(base + SOURCE, 1, 9), (base + UNALLOCATED, 1, -9)])
        ledger.add("allocate", 26, legs=[(base + UNALLOCATED, 1, 9), (base + UNIT, 1, -9)])
        ledger.add("cash", 33, (1, "c"), legs=[(base + TREASURY, 0, 9), (base + FUND_LOT, 1, -9)])
        legs = [(base + UNIT, 1, 9), (base + USED, 1, -9), (base + FUND_LOT, 1, 9), (base + CLEARING, 0, -9)]
        ledger.add("P1", 34, (1, "P1"), legs=legs)
        self.good(ledger)
        ledger.change("P1", fields={1: "V1"})
        self.check_events(ledger, "P1", "payment", says="payment 'V1' exists")
        # And the other way round.
        ledger.change("P1", fields={1: "P1"})
        benefit = ((1, "P1"), (2, 7), (3, "pension"), (4, 202504))
        ledger.post("V9", 83, *benefit, day=on(2025, 4, 1), pool=5, payout=-5)
        self.check_events(ledger, "V9", "payment", says="payment 'P1' exists")

    def test_benefits(self):
        for says, kind, fields in (
            ("is nobody's own", "books", {2: 6}),
            ("is nobody's own", "books", {2: 99}),
            ("gets a benefit from another person's account", "payment", {2: 8}),
            ("has no item 'gift'", "payment", {3: "gift"}),
            ("item 'basic' is paid from_personal", "payment", {3: "basic"}),
            ("item 'account' is paid from_pool", "payment", {3: "account"}),
            ("there is no month 202513", "payment", {4: 202513}),
        ):
            self.finds(pension(), "V1", kind, says, fields=fields)
        self.finds(pension(), "V1", "payment", "has no item 'pension'", only=False, policy_version=0)
        legs = {"pool": 1_000_001, "payout": -1_000_001}
        self.finds(pension(), "V1", "payment", "1000001 of item 'pension', the policy's limit is 1000000", legs=legs)
        legs = {"pool": 600_000, "ann": 400_001, "payout": -1_000_001}
        self.finds(pension(), "V1", "payment", "1000001 of item 'pension'", legs=legs)
        ledger = pension()
        ledger.change("V3", legs={"pool": 1_500_000, "payout": -1_500_000})  # no limit
        del ledger.events[ledger.at["V3"] + 1 :]
        self.good(ledger)

    def test_benefits_once_a_month(self):
        # V1 came back in part only.
        ledger = pension()
        at = ledger.at["recover-rest"]
        del ledger.events[at]
        ledger.at["V2"] = at
        del ledger.events[at + 1 :]
        self.finds(ledger, "V2", "payment", "item 'pension' for 202503 was paid to the person before")
        # V1 came back, but then V2 was paid.
        ledger = pension()
        again = ((1, "V9"), (2, 7), (3, "pension"), (4, 202503))
        ledger.post("V9", 83, *again, day=on(2027, 2, 1), ann=5, payout=-5)
        self.finds(ledger, "V9", "payment", "item 'pension' for 202503 was paid to the person before")
        # Another item or month is another benefit.
        for fields in ({3: "account", 4: 202503}, {3: "pension", 4: 202504}):
            ledger = pension()
            benefit = {1: "V9", 2: 7, **fields}
            ledger.post("V9", 83, *benefit.items(), day=on(2027, 2, 1), ann=5, payout=-5)
            self.good(ledger)
        ledger.post("V10", 83, *{**benefit, 1: "V10"}.items(), day=on(2027, 2, 1), ann=5, payout=-5)
        self.finds(ledger, "V10", "payment", "was paid to the person before")

    def test_benefits_of_funds_that_exclude_each_other(self):
        both = "residents"
        for name, period, is_found in ((both, 202505, True), (both, 202506, False), ("others", 202505, False)):
            ledger = pension()
            ledger.define(2, name, 5, 12, "pension")
            for account, kind, person in (("payout-2", 23, None), ("pool-2", 42, None), ("ben-2", 43, BEN)):
                ledger.open(account, kind, fund=2, person=person)
            ledger.post("fill", 81, (1, 1), (2, "b"), day=on(2027, 2, 1), **{"payout-2": 9, "pool-2": -9})
            benefit = ((1, "V9"), (2, ledger.numbers["ben-2"]), (3, "basic"), (4, period))
            ledger.add("restored-2", 43, (1, BEN), (2, 6), (3, on(2025, 6, 1)), (5, "register"))
            ledger.post("V9", 83, *benefit, day=on(2027, 2, 1), **{"pool-2": 5, "payout-2": -5})
            if is_found:
                self.finds(copy.deepcopy(ledger), "V9", "payment", "the person is paid for 202505 by fund 1")
                # What came back in full excludes nothing.
                *before, benefit = ledger.events
                again = ((1, "V3"), (2, ledger.at["V3"]), (3, "c"))
                del ledger.events[-1]
                ledger.post("recover-V3", 84, *again, day=on(2027, 2, 1), payout=900, pool=-900)
                ledger.events.append({**benefit, "booked": 5_000})
            self.good(ledger)

    def test_facts(self):
        for period, is_paid in ((202505, True), (202506, False), (202508, False), (202509, True), (202601, True)):
            ledger = pension()
            benefit = ((1, "V9"), (2, 8), (3, "pension"), (4, period))
            ledger.post("V9", 83, *benefit, day=on(2027, 2, 1), pool=5, payout=-5)
            if is_paid:
                self.good(ledger)
            else:
                self.finds(ledger, "V9", "payment", f"may not be paid for {period}: fact 3 is on record")
        # (facts as (person, fact, day, fund), whether Ann may be paid for 202507)
        first = on(2025, 7, 1)
        for facts, is_paid in (
            ([(ANN, 1, first, 0)], False),
            ([(ANN, 1, first + 1, 0)], True),
            ([(ANN, 1, first, 1)], False),
            ([(ANN, 1, first, 2)], True),
            ([(BEN, 1, first, 0)], True),
            ([(ANN, 2, first, 0), (ANN, 6, first, 0)], True),
            ([(ANN, 6, first, 0), (ANN, 2, first, 0)], False),
            ([(ANN, 6, first, 0), (ANN, 2, first - 1, 0)], True),
            ([(ANN, 2, first - 9, 1), (ANN, 6, first - 1, 2)], False),
        ):
            with self.subTest(facts=facts):
                ledger = residents(pension(is_short=True))
                ledger.post("fill", 81, (1, 1), (2, "b"), day=first, payout=900, pool=-900)
                for at, (person, fact, day, fund) in enumerate(facts):
                    ledger.add(f"fact-{at}", 43, (1, person), (2, fact), (3, day), (4, fund), (5, "register"))
                benefit = ((1, "V9"), (2, 7), (3, "pension"), (4, 202507))
                ledger.post("V9", 83, *benefit, day=first, pool=5, payout=-5)
                if is_paid:
                    self.good(ledger)
                else:
                    self.finds(ledger, "V9", "payment", "may not be paid for 202507")

    def test_facts_are_about_somebody(self):
        for fields in ({1: bytes(15)}, {1: None}, {2: 0}, {2: 7}, {4: 9}, {4: -1}):
            self.finds(pension(), "employed", "books", "fact", fields=fields)

    def test_facts_may_be_recorded_of_closed_time(self):
        ledger = pension()
        ledger.add("close-day", 38, (1, 1), (2, on(2027, 3, 1)), day=on(2027, 3, 1))
        ledger.add("died", 43, (1, ANN), (2, 1), (3, on(2027, 1, 1)), (4, 1), (5, "register"), day=on(2027, 1, 2))
        ledger.add("closed", 44, (1, 9 + 1), day=on(2027, 1, 2))
        self.good(ledger)

    def test_recoveries(self):
        self.finds(pension(), "recover", "payment", "recovery of unknown benefit 'V9'", fields={1: "V9"})
        self.finds(pension(), "recover", "payment", "original_sequence of 'V1' is", fields={2: 3})
        legs = {"payout": 100_000, "pool": -73_945, "ann": -26_055}
        self.finds(pension(), "recover", "payment", "moves 73945, 73944 is due", legs=legs)
        self.finds(pension(), "recover", "payment", "moves 0, 26056 is due", legs={"payout": 100_000, "pool": -100_000})
        legs = {"payout": 100_000, "pool": -73_944, "ben": -26_056}
        self.finds(pension(), "recover", "payment", "account 8 moves 26056, 0 is due", legs=legs)
        legs = {"payout": 231_332, "pool": -171_057, "ann": -60_275}
        self.finds(pension(), "recover-rest", "payment", "231332 of 'V1' recovered, 231331 are left", legs=legs)
        legs = {"deposit": 501, "ann": -501}
        self.finds(housing(), "unused", "payment", "501 of 'W2' recovered, 500 are left", legs=legs)
        legs = {"deposit": 200, "ben": -200}
        self.finds(housing(), "unused", "payment", "account 10 moves 200, 0 is due", legs=legs)
        ledger = pension()
        ledger.open("payout-2", 23, unit="branch")
        fields = ((1, "V2"), (2, ledger.at["V2"]), (3, "b"))
        ledger.post("other", 84, *fields, day=on(2027, 2, 1), **{"payout-2": 331_331}, pool=-245_000, ann=-86_331)
        self.finds(ledger, "other", "payment", "goes to an account that did not pay it")

    # -- Transfers and interest

    def test_transfers(self):
        legs = {"pool": 7_320_000, "cem": 287_999, "fiscal": -7_607_999}
        self.finds(pension(), "out", "books", "moves 287999, 288000 is due", legs=legs)
        legs = {"pool": 7_319_999, "cem": 288_000, "fiscal": -7_607_999}
        self.finds(pension(), "out", "books", "7319999 of the pool, 7320000 is due", legs=legs)
        self.finds(pension(), "out", "books", "7320000 of the pool, 0 is due", fields={3: 0})
        self.finds(pension(), "out", "books", "account 8 moves 0, 239100 is due", fields={2: 8})
        self.finds(pension(), "out", "books", "sets no rate for transfers", policy_version=0)
        self.finds(pension(), "in", "books", "1 of the pool, 2 is due", fields={3: 13})
        self.finds(pension(), "in", "books", "account 8 moves 50000, 0 is due", fields={2: 7})
        self.finds(pension(), "in", "books", "is nobody's own", fields={2: 1})
        self.finds(pension(), "in", "books", "1 of the pool", fields={3: -1})

    def test_interest(self):
        def lines(*rows):
            return {5: [line(*row) for row in rows]}

        for says, kind, fields in (
            ("is 78599, 78600 is due", "books", lines((7, 3_000_000, 78_599))),
            ("is of 2999999, its changes make 3000000", "books", lines((7, 2_999_999, 78_600))),
            ("account 7 moves 78600, 78601 is due", "books", lines((7, 3_000_000, 78_601))),
            ("is nobody's own", "books", lines((7, 3_000_000, 78_600), (6,))),
            ("stands in two lines", "books", lines((7, 3_000_000, 78_600), (7,))),
            ("interest at 26201 parts per million", "books", {3: 26_201}),
            ("interest by method 2", "books", {4: 2}),
            ("interest by method 0", "books", {4: None}),
            ("which has no persons' accounts", "books", {1: 9}),
            ("there is no interest year 0", "period", {2: 0}),
            ("there is no interest year -2147483648", "period", {2: -2_147_483_648}),
        ):
            self.finds(pension(), "interest", kind, says, fields=fields)
        says = "interest of 2025, which ends on day"
        self.finds(pension(), "interest", "period", says, day=on(2025, 12, 30))
        self.finds(pension(), "interest", "books", "moves 78601, 78600 is due", legs={"pool": 78_601, "ann": -78_601})
        self.finds(pension(), "interest-2", "books", "for 2025 after that for 2025", fields={2: 2025})
        self.finds(pension(), "interest-2", "books", "for 2024 after that for 2025", fields={2: 2024})
        self.finds(pension(), "interest-2", "books", "its changes make 3184269", fields=lines((7, 3_105_669, 83_428)))
        # A closed account may be in a run: it had no interest.
        ledger = pension()
        ledger.change("interest", fields=lines((7, 3_000_000, 78_600), (8,), (9,)))
        self.good(ledger)
        # A run in which nobody has interest has no legs.
        ledger = pension(is_short=True)
        fields = ((1, 1), (2, 2024), (3, 26_200), (4, 1), (5, [line(7), line(8)]))
        ledger.post("none", 86, *fields, day=on(2025, 1, 10))
        self.good(ledger)
        self.finds(ledger, "none", "books", "account 7 moves 0, 1 is due", fields=lines((7, 0, 1)))
        ledger = residents(pension())
        self.finds(ledger, "interest", "books", "which has no persons' accounts", fields={1: 2})
        ledger = residents(pension())
        ledger.post("theirs", 86, (1, 2), *fields[2:4], (2, 2025), day=on(2027, 1, 6), pool=78_600, ann=-78_600)
        self.finds(ledger, "theirs", "books", "interest in fund 2 moves money of fund 1")

    def test_interest_counts_from_each_day(self):
        # Booked late, dated early: it counts from its day; booked after the run: it counts from the next year on.
        ledger = pension(is_short=True)
        more = ((1, 1), (2, 7), (3, 0))
        ledger.post("early", 85, *more, (5, "b"), day=on(2024, 12, 31), fiscal=1_000_000, ann=-1_000_000)
        fields = ((1, 1), (3, 26_200), (4, 1))
        lines = [line(7, 4_000_000, 104_800)]
        ledger.post("run", 86, (2, 2025), *fields, (5, lines), day=on(2026, 1, 5), pool=104_800, ann=-104_800)
        ledger.post("after", 85, *more, (5, "c"), day=on(2025, 5, 1), fiscal=500, ann=-500)
        lines = [line(7, 4_169_300, 109_236)]  # 4,000,000 + 64,000 + 104,800 + 500
        ledger.post("run-2", 86, (2, 2026), *fields, (5, lines), day=on(2027, 1, 5), pool=109_236, ann=-109_236)
        self.good(ledger)

    def test_interest_of_less_than_nothing(self):
        # Dated out before it was in: the sum is below zero, and no interest is due.
        ledger = housing()
        del ledger.events[ledger.at["W1"] + 1 :]
        ledger.open("cem", 44, person=CEM)
        fields = ((2, DAN), (4, 2), (5, [line(11, 1_000_000, 120_000, 120_000)]))
        ledger.post("save", 80, (1, "b-2"), (3, 202605), *fields, day=on(2026, 5, 1), deposit=240_000, cem=-240_000)
        ledger.post("W9", 100, (1, "W9"), (2, 11), (3, "RENT"), day=on(2026, 4, 1), cem=240_000, deposit=-240_000)
        run = ((1, 1), (2, 2026), (3, 15_000), (4, 2), (5, [line(11, -7_200_000, 0)]))
        ledger.post("run", 86, *run, day=on(2026, 6, 30))
        self.good(ledger)

    def test_day_product(self):
        day_less = 1_679_040_000 - 240_000
        fields = {5: [line(9, day_less, 69_960)]}
        self.finds(housing(), "interest", "books", f"is of {day_less}, its changes make 1679040000", fields=fields)
        ledger = housing()
        ledger.change("W1", day=on(2026, 1, 21))
        self.finds(ledger, "interest", "books", "its changes make 1680040000")
        ledger = housing()
        ledger.change("opening", day=on(2025, 7, 1))
        self.good(ledger)
        ledger.change("opening", day=on(2025, 7, 2))
        self.finds(ledger, "interest", "books", "its changes make 1675440000")
        self.finds(housing(), "interest", "period", "which ends on day", day=on(2026, 6, 29))

    # -- Housing

    def test_withdrawals(self):
        self.finds(housing(), "W1", "payment", "has no reason 'GIFT'", fields={3: "GIFT"})
        self.finds(housing(), "W1", "payment", "has no reason 'RENT'", only=False, policy_version=0)
        self.finds(housing(), "W1", "payment", "another person's account", fields={2: 10})
        self.finds(housing(), "W1", "books", "is nobody's own", fields={2: 1})

    def test_loans(self):
        for says, fields in (
            ("no loan_id", {1: ""}), ("for 0 months", {3: 0}), ("for 361 months", {3: 361}),
            ("at 26001 parts per million, the policy's rate is 26000", {4: 26_001}),
            ("with an instalment of 0", {5: 0}), ("with an instalment of -1", {5: -1}),
        ):  # fmt: skip
            self.finds(housing(), "lend", "payment", says, fields=fields)
        self.finds(housing(), "lend", "books", "is nobody's own", fields={2: 5})
        ledger = housing()
        ledger.change("lend", fields={3: 1})
        self.good(ledger)
        lent = ((1, "L1"), (2, 9), (3, 12), (4, 26_000), (5, 9))
        ledger.post("again", 101, *lent, day=on(2026, 8, 1), loan=90, deposit=-90)
        self.finds(ledger, "again", "payment", "loan 'L1' exists")

    def test_repayments_of_another_fund(self):
        ledger = housing()
        ledger.define(2, "housing-2", 6, policy="housing")
        for account, kind in (("deposit-2", 24), ("loan-2", 26), ("surplus-2", 49)):
            ledger.open(account, kind, fund=2)
        ledger.post("fill", 81, (1, 2), (2, "b-2"), **{"deposit-2": 9, "surplus-2": -9})
        legs = {"deposit-2": 5, "surplus-2": -5}
        ledger.post("theirs", 102, (1, "L1"), (2, 202609), (3, "b"), **legs)
        self.finds(ledger, "theirs", "payment", "loan 'L1' is of fund 1")

    def test_repayments(self):
        self.finds(housing(), "repay", "payment", "repayment of unknown loan 'L9'", fields={1: "L9"})
        legs = {"deposit": 200_170, "loan": -91_838, "surplus": -108_332}
        self.finds(housing(), "repay", "payment", "interest of 108332, 108333 is due", legs=legs)
        # The next month's interest is of what is owed then: 49,908,163.
        ledger = housing()
        day, legs = on(2026, 8, 1), {"deposit": 200_170, "loan": -92_036, "surplus": -108_134}
        ledger.post("second", 102, (1, "L1"), (2, 202604), (3, "b"), day=day, **legs)
        self.good(ledger)
        for period in (202603, 202602):
            says = f"repaid for {period} after 202603"
            self.finds(copy.deepcopy(ledger), "second", "payment", says, fields={2: period})
        self.finds(copy.deepcopy(ledger), "second", "payment", "there is no month 202613", fields={2: 202613})
        ledger = housing()
        ledger.post("small", 101, (1, "L2"), (2, 9), (3, 12), (4, 26_000), (5, 9), day=day, loan=90, deposit=-90)
        ledger.post("much", 102, (1, "L2"), (2, 202608), (3, "b"), day=day, deposit=90, loan=-90)
        self.good(ledger)
        self.finds(
            copy.deepcopy(ledger), "much", "payment", "91 repaid, 90 are owed", legs={"deposit": 91, "loan": -91}
        )
        legs = {"deposit": 108_134, "surplus": -108_134}
        ledger = housing()
        ledger.post("second", 102, (1, "L1"), (2, 202604), (3, "b"), day=day, **legs)
        self.finds(ledger, "second", "payment", "0 repaid, 49908163 are owed")

    def test_surplus(self):
        legs = {"surplus": 5_038_373, "reserve": -3_023_023, "fee": -755_756, "rent": -1_259_594}
        self.finds(housing(), "distribute", "books", "moves 3023023, 3023024 is due", legs=legs)
        self.finds(housing(), "distribute", "books", "sets no split 'surplus'", policy_version=0)
        legs = {"surplus": 100, "reserve": -60, "fee": -15, "rent": -25}
        ledger = housing()
        del ledger.events[ledger.at["distribute"] + 1 :]
        ledger.change("distribute", legs=legs)
        self.good(ledger)

    # -- Investment, payouts, entitlements

    def test_contracts(self):
        for name, fields, says in (
            ("tender", {6: None}, "tender 'T' of fund 1 up to 0"), ("tender", {7: "ocds-x-1"}, "up to 100"),
            ("award", {3: 101}, "is awarded for 101, its ceiling is 100"), ("award", {1: "none"}, "was never opened"),
            ("contract", {9: 91}, "is not what was awarded"), ("contract", {8: ANN}, "is not what was awarded"),
            ("contract", {5: "none"}, "is not what was awarded"), ("contract", {5: None}, "says not how"),
            ("contract", {7: "ocds-213czf-2"}, "is not what was awarded"), ("contract", {2: 9}, "of fund 9 for 80"),
            ("commit", {3: ANN}, "is of another contractor"), ("commit", {2: "ocds-213czf-2"}, "not 'ocds-213czf-2'"),
            ("amend", {2: zigzag(9)}, "9 is added to contract 'K', first 80"), ("amend", {2: None}, "is amended by 0"),
            ("amend", {1: "none"}, "is amended, but not registered"),
            ("reduce", {2: zigzag(-9)}, "80 is committed or paid under contract 'K', its price is 79"),
            ("settle", {2: 81}, "is settled at 81, its price is 80"), ("settle", {3: 11}, "50 are paid under contract"),
            ("settle", {4: None}, "of which 10 is retained"), ("settle", {1: "none"}, "is settled, but not registered"),
            ("final", {3: 501}, "its estimate is 500"), ("final", {3: 59}, "60 were paid"),
            ("final", {1: "none"}, "which has no estimate"), ("final", {4: b"\x7f"}, "names events to come"),
        ):  # fmt: skip
            self.finds(school(), name, "books", says, fields=fields)
        for name, fields, says in (
            ("P2", {2: ANN}, "is of another contractor"), ("P2", {7: "none"}, "was never committed to"),
        ):  # fmt: skip
            self.finds(school(), name, "payment", says, fields=fields)
        # What is retained is paid from its day on, and not before.
        self.finds(school(), "P3", "payment", "60 are paid under contract 'K', 50 may be", day=D1 + 19)
        # The contract is as it was registered, and the policy asks for that.
        ledger = authority(3, policy_terms=message((14, 1)))
        commit(ledger, "commit", 1)
        self.finds(ledger, "commit", "books", "is committed to, but not registered")
        for name in ("tender", "award", "contract"):
            ledger = school()
            number, *fields = ledger.events[ledger.at[name]]["payload"]
            ledger.add("again", number, *fields, day=D1 + 20)
            self.finds(ledger, "again", "books", "before")

    def test_goals(self):
        for name, fields, says in (
            ("goal", {2: "none"}, "a goal of 'none', which is unknown"), ("goal", {3: 2025}, "of 2025 is set in 2026"),
            ("goal", {10: None}, "weighs 0"), ("goal", {11: 1}, "replaces 1, not 0"),
            ("goal-2", {10: 400_001}, "all together 1000001"), ("goal-3", {11: None}, "replaces 0, not"),
            ("output", {4: "none"}, "which was never set"), ("output", {7: 1}, "passes over"),
            ("output-2", {7: None}, "passes over"), ("output-2", {7: 1}, "passes over"),
        ):  # fmt: skip
            self.finds(school(), name, "books", says, fields=fields)

    def test_estimates(self):
        self.finds(investment(), "estimate", "books", "an estimate of 0", fields={3: 0})
        self.finds(investment(), "estimate", "books", "for project ''", fields={1: None})
        self.finds(investment(), "estimate", "books", "which is not of investment", fields={2: 9})
        ledger = relief()
        ledger.add("estimate", 45, (1, "bridge"), (2, 1), (3, 500), (4, "council"), (5, "e-1"))
        self.finds(ledger, "estimate", "books", "which is not of investment")
        self.finds(investment(), "P1", "payment", "project 'road' has no estimate", fields={6: "road"})
        self.finds(investment(), "P1", "payment", "project '' has no estimate", fields={6: None})
        ledger = investment()
        pay_for(ledger, "P5", 1, (6, "bridge"))
        self.finds(ledger, "P5", "payment", "project 'bridge': 601 are paid, the estimate is 600")
        ledger = investment()
        del ledger.events[ledger.at["P4"] :]
        ledger.change("estimate-2", fields={3: 500})
        self.good(ledger)
        says = "estimate 499 of project 'bridge', 500 were paid"
        self.finds(investment(), "estimate-2", "payment", says, fields={3: 499})
        # Without the reversal or the return the third payment is too much.
        for name in ("no-P2", "back"):
            ledger = investment()
            ledger.events[ledger.at[name]].update(payload=(26,), legs=[(UNIT, 1, 0)])
            faults = verified(ledger.bundle())["faults"]
            self.assertIn((ledger.at["P3"], "payment"), [(fault["sequence"], fault["kind"]) for fault in faults])

    def test_payouts(self):
        self.finds(relief(), "P1", "payment", "has no item 'rice'", fields={10: payout("rice", 202601)})
        self.finds(relief(), "P1", "payment", "there is no month 202600", fields={10: payout("grain", 202600)})
        self.finds(relief(), "P1", "payment", "names its payee by 0 bytes", fields={2: b""})
        ledger = relief()
        pay_for(ledger, "P4", 201, (10, payout("grain", 202602)))
        self.finds(ledger, "P4", "payment", "201 of item 'grain', the policy's limit is 200")
        ledger = relief()
        pay_for(ledger, "P4", 1, (10, payout("grain", 202601)))
        self.finds(ledger, "P4", "payment", "item 'grain' for 202601 was paid to the person before")
        # Returned in part, it is paid still.
        ledger = relief()
        del ledger.events[ledger.at["back-rest"] :]
        pay_for(ledger, "P2", 100, (10, payout("grain", 202601)))
        self.finds(ledger, "P2", "payment", "was paid to the person before")
        # Somebody else, another month, and a payment that is no payout.
        ledger = relief()
        pay_for(ledger, "P4", 1, (2, BEN), (10, payout("grain", 202601)))
        pay_for(ledger, "P5", 1, (10, payout("grain", 202602)))
        pay_for(ledger, "P6", 1)
        self.good(ledger)
        ledger.add("died", 43, (1, BEN), (2, 1), (3, on(2026, 2, 1)), (5, "register"))
        pay_for(ledger, "P7", 1, (2, BEN), (10, payout("grain", 202602)))
        self.finds(ledger, "P7", "payment", "may not be paid for 202602: fact 1 is on record")

    def test_payouts_in_a_transaction(self):
        def posted(*operations):
            ledger = relief()
            payments = []
            for name, version, period in operations:
                pay = message((1, name), (2, ANN), (3, "food"), (8, 1), (10, payout("grain", period)))
                payments.append(message((1, version), (2, 4), (34, pay)))
            legs = [(PLAN, 1, 5), (USED, 1, -5), (FUND_LOT, 1, 5), (CLEARING, 0, -5)] * len(operations)
            ledger.add("both", 42, (1, payments), legs=legs)
            return ledger

        self.good(posted(("P8", 1, 202602), ("P9", 1, 202603)))
        self.finds(posted(("P8", 1, 202602), ("P9", 1, 202602)), "both", "payment", "was paid to the person before")
        # The operation's own policy version counts, not the event's.
        ledger = posted(("P8", 1, 202602), ("P9", 0, 202603))
        self.finds(ledger, "both", "payment", "has no item 'grain'", only=False, policy_version=1)
        ledger = posted(("P8", 1, 202602))
        ledger.reverse("undone", "both", payment="P8")
        ledger.change("undone", fields={5: 1})
        pay_for(ledger, "P9", 5, (10, payout("grain", 202602)))
        self.good(ledger)

    def test_a_transaction_holds_no_event_of_the_families(self):
        ledger = nontax()
        operation = message((2, 0), (70, message((1, "N9"), (2, 1), (3, ANN), (4, "fine"), (5, 1))))
        ledger.add("transaction", 42, (1, [operation]))
        self.finds(ledger, "transaction", "books", "operation 1 says not what happened")

    def test_entitlements(self):
        def shares(*amounts):
            levels = zip(("central", "province", "county"), amounts)
            return {7: [message((1, level), (2, amount)) for level, amount in levels]}

        self.finds(education(), "due", "books", "are not those of", fields=shares(53_125_001, 31_875_000, 21_249_999))
        self.finds(education(), "due", "books", "are not those of", fields={5: 1_251})
        self.finds(education(), "due", "books", "sets no split 'heads'", fields={3: "heads"})
        self.finds(education(), "due", "books", "unknown fund 9", fields={1: 9})
        ledger = education()
        ledger.change("due", fields={5: 0, **shares(0, 0, 0)})
        self.good(ledger)
        for fields in ({5: -1}, {6: -1}, {5: 1 << 30, 6: 1 << 30}):
            self.finds(education(), "due", "books", "an entitlement of", fields=fields)
        self.finds(education(), "due", "books", "sets no split", policy_version=0)
        ledger = education()
        fields = ((1, 1), (2, "school"), (3, "pupils"), (5, 1), (6, 1), *shares(1, 0, 0).items())
        ledger.add("again", 46, (4, 202602), *fields)
        ledger.change("again", policy_version=1)
        self.finds(copy.deepcopy(ledger), "again", "books", "for 202602 was determined before")
        ledger.change("again", fields={4: 202603})
        self.good(ledger)

    # -- Receipt codes: the frozen ones, by another road

    def test_receipt_codes(self):
        def number(code):
            value = 0
            for symbol in code.replace("-", ""):
                value = value << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(symbol)
            return value

        frozen = Path(__file__).parents[1] / "format_fixtures" / "receipt_codes.tsv"
        rows = [line.split("\t") for line in frozen.read_text(encoding="utf-8").splitlines()[1:]]
        self.assertGreater(len(rows), 5)
        for origin, sequence, entry_hash, code in rows:
            self.assertEqual(receipt_code(origin, int(sequence), bytes.fromhex(entry_hash)), code)
            self.assertEqual(number(code) % 1021, 1)

    # -- Complaints: about what is there, step by step, and never by whom they are about

    def test_complaints(self):
        ledger = full()

        def step(name, number, *fields, actor="clerk"):
            sequence = ledger.add(name, number, *fields, day=D2 + 1, checkers=())
            ledger.events[sequence].update(actor=actor)

        respondents, unit = (8, ["maker", "checker"]), (7, "bureau")
        step("filed", 134, (1, "C"), (2, "late"), (5, 3), unit, respondents, (10, bytes(32)))
        step("lot-filed", 134, (1, "L"), (2, "late"), (3, 1), (6, 1), (10, bytes(32)))
        step("accepted", 135, (1, "C"), (2, "office"), (3, "clerk"))
        step("handed-on", 135, (1, "C"), (2, "other"), (3, "clerk"))
        step("answered", 136, (1, "C"), (2, "1"), (3, bytes(32)))
        step("closed", 137, (1, "C"), (2, 1), actor="auditor")
        step("withdrawn", 137, (1, "L"), (2, 4), actor="auditor")
        self.assertEqual(verified(ledger.bundle())["faults"], [])
        for name, kind, says, changes in (
            ("filed", "books", "about what is not there", {"fields": {5: 9_999}}),
            ("filed", "books", "names others", {"fields": {8: ["nobody", "checker"]}}),
            ("filed", "books", "names others", {"fields": {8: ["maker", "nobody"]}}),
            ("filed", "books", "names others", {"fields": {8: ["maker"]}}),
            ("filed", "books", "another fund", {"fields": {6: 1}}),
            ("filed", "books", "no digest", {"fields": {10: bytes(31)}}),
            ("lot-filed", "books", "of another fund", {"fields": {6: 2}}),
            ("lot-filed", "books", "was filed before", {"fields": {1: "C"}}),
            ("accepted", "books", "unknown complaint", {"fields": {1: "D"}}),
            ("accepted", "approvals", "about itself", {"fields": {2: "bureau"}}),
            ("accepted", "approvals", "about themselves", {"fields": {3: "checker"}}),
            ("accepted", "approvals", "about themselves", {"actor": "maker"}),
            ("answered", "approvals", "about themselves", {"checkers": ["checker"]}),
            ("answered", "books", "out of order", {"fields": {1: "L"}}),
            ("closed", "approvals", "that they answered", {"actor": "clerk"}),
            ("withdrawn", "books", "out of order", {"fields": {2: 1}}),
            ("withdrawn", "books", "out of order", {"fields": {1: "C"}}),
        ):
            with self.subTest(name=name, says=says):
                broken = copy.deepcopy(ledger)
                del broken.events[broken.at[name] + 1 :]
                event = broken.events[-1]
                number, *fields = event["payload"]
                fields = {**dict(fields), **changes.pop("fields", {})}
                event.update(payload=(number, *fields.items()), **changes)
                report = self.check(broken.bundle(), broken.at[name], kind)
                self.assertIn(says, report["faults"][0]["message"])

    # -- Supervision: it moves nothing, and is read

    def test_supervision(self):
        ledger = full()
        packed = varint(3) + varint(300)
        for number, *fields in (
            (120, (1, 10), (2, bytes(32)), (5, -5), (9, [message((1, "bank"), (2, -7))])),
            (121, (1, "F1"), (2, "rule"), (4, packed), (5, 100)),
            (122, (1, "F1"), (2, "answer")),
            (123, (1, "F1"), (2, packed)),
            (124, (1, "F1"), (2, 1)),
            (125, (1, "M1"), (2, "complaint"), (4, 1)),
            (126, (1, "M1"), (2, "DONE")),
            (127, (1, "D1"), (2, "budget"), (3, bytes(32)), (4, 3)),
            (128, (1, "lot-1"), (2, 2026), (3, 9_000)),
            (129, (1, 1), (2, 202601), (3, "CORRECTION")),
        ):
            ledger.add(f"event-{number}", number, *fields, day=D1)
        ledger.move("late", 33, (1, "b"), debit=TREASURY, credit=FUND_LOT, amount=1, lot=2, day=D2)
        report = verified(ledger.bundle())
        self.assertEqual(report["faults"], [])
        ledger.add("twice", 129, (1, 1), (2, 202601), (3, "CORRECTION"))
        self.check_events(ledger, "twice", "period", says="month 202601 opens again")
        ledger = full()
        ledger.add("flag", 121, (1, "F1"), legs=[(UNIT, 1, 1), (PLAN, 1, -1)], day=D2 + 1)
        self.check_events(ledger, "flag", "books", says="Flagged debits UNIT")


if __name__ == "__main__":
    unittest.main()
