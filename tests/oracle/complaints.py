"""Complaints: filed about what is there, accepted, answered, closed, and never by whom they are about."""

import sys

FILED, ACCEPTED, ANSWERED, CLOSED = range(4)
WITHDRAWN = 4
VOUCHERS = ("PaymentExecuted", "BenefitPaid", "HousingWithdrawn")


class Complaint:
    """How far one has got, and who has no part in it."""

    def __init__(self, payload):
        self.stage = FILED
        self.unit = payload.get("unit_id", "")
        self.respondents = payload.get("respondents", [])
        self.answered_by = set()


class Complaints:
    """All of them, who made each event, and where each voucher number was used."""

    def __init__(self, books):
        self.books = books
        self.fault = books.fault
        self.complaints, self.responsible, self.vouchers = {}, {}, {}
        self.funds = {}  # of the first account that each event moved, where it moved any
        self.persons = {}  # makers with approvers, each combination once
        self.hands = ()  # whoever made or approved the event at hand
        self.handlers = {
            "ComplaintFiled": self.filed,
            "ComplaintAccepted": self.accepted,
            "ComplaintAnswered": self.answered,
            "ComplaintClosed": self.closed,
        }

    def event(self, sequence, event):
        """Remembers who made and who approved an event, refused ones too, and the fund whose money it moved."""
        legs = event.get("legs", ())
        first = self.books.accounts.get(legs[0].get("account", 0)) if legs else None
        if first:
            self.funds[sequence] = first.fund.number
        actor = sys.intern(event.get("actor", ""))
        self.hands = [actor, *(approval.get("actor", "") for approval in event.get("approvals", ()))]
        persons = tuple(dict.fromkeys(self.hands))
        self.responsible[sequence] = self.persons.setdefault(persons, persons)

    def step(self, sequence, event_type, payload):
        """Remembers where a voucher number was used."""
        if event_type in VOUCHERS:
            self.vouchers.setdefault(payload.get("payment_id", ""), sequence)

    def filed(self, sequence, payload, _legs, _flows):
        """About one thing, which is there; its maker is the first who is complained about."""
        name = payload.get("complaint_id", "")
        if name in self.complaints:
            self.fault(sequence, "books", f"complaint {name!r} was filed before")
        self.complaints[name] = complaint = Complaint(payload)
        if len(payload.get("text_sha256", b"")) != 32 or len(payload.get("reporter", b"")) not in (0, 16):
            self.fault(sequence, "books", f"complaint {name!r} has no digest of its text, or a pseudonym of no length")
        given = [field for field in ("lot", "payment_id", "event_sequence") if field in payload]
        if len(given) != 1:
            self.fault(sequence, "books", f"complaint {name!r} is about {len(given)} things")
            return
        if given == ["lot"]:
            lot = self.books.lots.get(payload["lot"])
            if lot is None or lot.fund.number != payload.get("fund", 0):
                self.fault(sequence, "books", f"complaint {name!r} is about a lot that is unknown, or of another fund")
            return
        about = payload.get("event_sequence", self.vouchers.get(payload.get("payment_id")))
        if about is None or not 1 <= about < sequence:
            self.fault(sequence, "books", f"complaint {name!r} is about what is not there")
        elif tuple(complaint.respondents) != self.responsible[about]:
            self.fault(sequence, "books", f"complaint {name!r} names others than made and approved event {about}")
        elif self.funds.get(about, 0) != payload.get("fund", 0):
            self.fault(sequence, "books", f"complaint {name!r} names another fund than event {about} moved money of")

    def step_of(self, sequence, payload, needed):
        """The complaint that goes on, if it may; its stage is for the caller to set."""
        name = payload.get("complaint_id", "")
        complaint = self.complaints.get(name)
        if complaint is None:
            self.fault(sequence, "books", f"the unknown complaint {name!r} goes on")
            return None
        if not needed <= complaint.stage < CLOSED:
            self.fault(sequence, "books", f"complaint {name!r} goes on out of order")
        for hand in self.hands:
            self.not_about(sequence, complaint, hand)
        return complaint

    def not_about(self, sequence, complaint, hand):
        """Nobody deals with a complaint about what they made or approved."""
        if hand in complaint.respondents:
            self.fault(sequence, "approvals", f"{hand} deals with a complaint about themselves")

    def accepted(self, sequence, payload, _legs, _flows):
        """By another unit and another person than it is about."""
        complaint = self.step_of(sequence, payload, FILED)
        if complaint is None:
            return
        if complaint.unit and payload.get("unit_id", "") == complaint.unit:
            message = f"unit {complaint.unit} deals with a complaint about itself"
            self.fault(sequence, "approvals", message)
        self.not_about(sequence, complaint, payload.get("first_handler", ""))
        complaint.stage = ACCEPTED

    def answered(self, sequence, payload, _legs, _flows):
        """After it was accepted."""
        complaint = self.step_of(sequence, payload, ACCEPTED)
        if complaint is not None:
            complaint.answered_by.add(self.hands[0])
            complaint.stage = ANSWERED

    def closed(self, sequence, payload, _legs, _flows):
        """After it was answered, by somebody else; one that was withdrawn at any time."""
        complaint = self.step_of(sequence, payload, FILED if payload.get("outcome") == WITHDRAWN else ANSWERED)
        if complaint is None:
            return
        if self.hands[0] in complaint.answered_by:
            self.fault(sequence, "approvals", f"{self.hands[0]} closes a complaint that they answered")
        complaint.stage = CLOSED
