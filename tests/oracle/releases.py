"""Payments that wait for witnesses, and what released them (docs/format.md, Releases)."""

import base64
import hashlib

from kinds import CASH_BOOK

HOLD = 1
PAYMENT_ORDERS = ("PaymentExecuted", "BenefitPaid", "HousingWithdrawn", "LoanIssued")
RELEASED_MAX = 2_000


class NoProof(Exception):
    """The text is no proof."""


def parse(text):
    """A C2SP tlog-proof: (index, hashes, origin, size, root)."""
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    body, signed, _ = note.rpartition("\n\n")
    claim = body.split("\n")
    try:
        if lines.pop(0) != "c2sp.org/tlog-proof@v1" or not found or not signed or len(claim) < 3:
            raise NoProof
        if lines[0].startswith("extra "):
            base64.b64decode(lines.pop(0)[6:], validate=True)
        word, _, index = lines.pop(0).partition(" ")
        hashes = [base64.b64decode(line, validate=True) for line in lines]
        root = base64.b64decode(claim[2], validate=True)
        numbers = [int(number) for number in (index, claim[1])]
        canonical = [str(number) for number in numbers] == [index, claim[1]] and min(numbers) >= 0
        if word != "index" or not canonical or any(len(one) != 32 for one in [*hashes, root]):
            raise NoProof
    except (ValueError, IndexError) as error:
        raise NoProof from error
    return numbers[0], hashes, claim[0], numbers[1], root


def includes(index, size, leaf, hashes, root):
    """Whether a leaf stands at an index of the tree of a size and root (RFC 9162, section 2.1.3.2)."""
    last, place, found = size - 1, index, leaf
    if not 0 <= index < size:
        return False
    for sibling in hashes:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


class Releases:
    """What waits, by event and operation, with the hash of its entry."""

    def __init__(self, books):
        self.books, self.waiting, self.origin = books, {}, None
        self.handlers = {"PaymentReleased": self.released}

    def step(self, sequence, event_type, payload, legs):
        """Takes an event: a payment may have to wait, a reversed one waits no more."""
        if event_type == "LedgerCreated":
            self.origin = payload.get("origin", "")
        elif event_type == "Reversed":
            self.waiting.pop((payload.get("original_sequence", 0), payload.get("operation", 0)), None)
        elif event_type in PAYMENT_ORDERS and legs:
            days = self.books.day, (self.books.booked_at // 10**9 + 8 * 3600) // 86400
            rules = [self.books.families.in_force(legs[0][0].fund, day)[1].witnessing for day in days]
            sides = ([amount for account, _, amount in legs if (account.kind >= CASH_BOOK) is cash and amount > 0]
                     for cash in (False, True))  # fmt: skip
            amount = max(map(sum, sides))
            if any(rule.get("rule", 0) == HOLD and amount >= rule.get("from_amount_minor", 0) for rule in rules):
                self.waiting[sequence, self.books.operation] = self.books.entry_hash

    def is_waiting(self, payment):
        """Whether a payment waits still."""
        return (payment.sequence, payment.operation) in self.waiting

    def released(self, sequence, payload, _legs, _flows):
        """Each of the payments waited; the proof is of the last one, under a checkpoint that is older than the release."""
        fault = self.books.fault
        places = [(place.get("sequence", 0), place.get("operation", 0)) for place in payload.get("payments", ())]
        if not 1 <= len(places) <= RELEASED_MAX or any(one >= other for one, other in zip(places, places[1:])):
            fault(sequence, "release", f"a release of {len(places)} payments, or not in their order")
        last = None
        for place in places:
            leaf = self.waiting.pop(place, None)
            if leaf is None:
                fault(sequence, "release", f"the payment of event {place[0]} is released, and did not wait")
            else:
                last = place[0], leaf
        if last is None:
            return
        try:
            index, hashes, origin, size, root = parse(payload.get("tlog_proof", ""))
        except NoProof:
            fault(sequence, "release", "a release without a proof")
            return
        if index != last[0] or not includes(index, size, last[1], hashes, root):
            fault(sequence, "release", f"the proof of a release is not of the payment of event {last[0]}")
        if origin != self.origin or size > sequence:
            fault(sequence, "release", f"a release cites a checkpoint of {origin!r} over {size} entries")
