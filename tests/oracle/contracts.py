"""Contracts, tenders, final accounts and goals of performance, by the events alone.

Who is committed to and paid is the contractor; what is added to a contract is a tenth of its first price at most; what is
committed or paid stays within its price; the weights of a subject's goals make a whole at most.
"""

import datetime
import re

from kinds import COMMITTED

WHOLE_PPM = 1_000_000
LOT, PROJECT, UNIT = 1, 2, 3
OCID = re.compile(r"ocds-[a-z0-9]{6}-.+")
EPOCH = datetime.date(1970, 1, 1).toordinal()


def year_of(day):
    """The year of a day since 1970-01-01; 0 where no calendar has it."""
    try:
        return datetime.date.fromordinal(day + EPOCH).year
    except (ValueError, OverflowError):
        return 0


class Contract:
    """What is known of a contract by its number."""

    __slots__ = ("fund", "payee", "open", "paid", "price", "first", "added", "ocid", "is_settled", "retained", "until")

    def __init__(self):
        self.fund = self.price = None  # The price of one that is not registered is not known.
        self.payee, self.ocid = b"", ""
        self.open = {}  # lot -> what is committed
        self.paid = self.first = self.added = self.retained = self.until = 0
        self.is_settled = False

    @property
    def bound(self):
        """What is committed, or paid and did not come back."""
        return self.paid + sum(self.open.values())


class Contracts:
    """Holds what is registered against what is committed and paid."""

    def __init__(self, books):
        self.books, self.fault = books, books.fault
        self.tenders = {}  # tender -> [fund, ceiling, ocid, winner, what of the award is left]
        self.contracts = {}
        self.subjects = set()  # (kind, id) of what there can be goals of
        self.goals = {}  # (kind, id, year) -> {indicator: [event, weight, last record, its day]}
        self.handlers = {
            "Committed": self.committed,
            "CommitmentReleased": self.released,
            "TenderOpened": self.tender_opened,
            "TenderAwarded": self.tender_awarded,
            "ContractRegistered": self.contract_registered,
            "ContractAmended": self.contract_amended,
            "ContractSettled": self.contract_settled,
            "FinalAccountApproved": self.final_account_approved,
            "GoalSet": self.goal_set,
            "OutputRecorded": self.output_recorded,
        }

    def step(self, event_type, payload, legs):
        """What an event of any type names first, moves of a commitment, or carries over."""
        if event_type == "AccountOpened":
            self.know(UNIT, payload.get("unit_id", ""))
        elif event_type == "BudgetIssued":
            self.know(LOT, payload.get("lot", {}).get("lot_id", ""))
        elif event_type == "OpeningBalance":
            for lot in payload.get("lots", ()):
                self.know(LOT, lot.get("lot_id", ""))
        elif event_type in ("EstimateApproved", "TenderOpened", "ContractRegistered"):
            self.know(PROJECT, payload.get("project_id", ""))
        elif event_type == "Reversed" and payload.get("contract_id") in self.contracts:
            self.move(self.contracts[payload["contract_id"]], legs)
        elif event_type == "CarriedForward":
            for contract in self.contracts.values():
                contract.open.pop(payload.get("lot", 0), None)

    def know(self, kind, name):
        """There can be goals of it from here on."""
        if name:
            self.subjects.add((kind, name))

    @staticmethod
    def move(contract, legs):
        """What legs change of what is committed."""
        for account, lot, amount in legs:
            if account.kind == COMMITTED:
                contract.open[lot] = contract.open.get(lot, 0) - amount

    def within_price(self, sequence, name, contract):
        """What is committed or paid stays within the price."""
        if contract.price is not None and contract.bound > contract.price:
            self.fault(
                sequence, "books", f"{contract.bound} is committed or paid under contract {name!r}, its price is {contract.price}"
            )

    # -- Commitments and payments

    def committed(self, sequence, payload, legs, _flows):
        """A commitment is to the contractor, out of the contract's fund, and within the price of a registered one."""
        name = payload.get("contract_id", "")
        if not legs:
            return
        fund = legs[0][0].fund
        contract = self.contracts.setdefault(name, Contract())
        if contract.fund is None:
            contract.fund, contract.payee = fund, payload.get("payee", b"")
        if (contract.fund, contract.payee) != (fund, payload.get("payee", b"")):
            self.fault(sequence, "books", f"contract {name!r} is of another contractor or fund")
        self.move(contract, legs)
        if contract.price is None:
            if self.books.families.in_force(fund)[1].wants_registered:
                self.fault(sequence, "books", f"contract {name!r} is committed to, but not registered")
            return
        if payload.get("ocid") and contract.ocid and payload["ocid"] != contract.ocid:
            self.fault(sequence, "books", f"contract {name!r} is {contract.ocid!r}, not {payload['ocid']!r}")
        self.within_price(sequence, name, contract)

    def released(self, _sequence, payload, legs, _flows):
        """Authority is released from a contract."""
        if payload.get("contract_id") in self.contracts:
            self.move(self.contracts[payload["contract_id"]], legs)

    def paid(self, sequence, payment, payload, legs):
        """A payment under a contract is to its contractor, and within what may be paid by its day."""
        name = payload.get("contract_id", "")
        if not name:
            return
        contract = self.contracts.get(name)
        if contract is None:
            self.fault(sequence, "payment", f"contract {name!r} was never committed to")
            return
        payment.contract = contract
        self.move(contract, legs)
        contract.paid += payment.amount
        if contract.payee != payload.get("payee", b""):
            self.fault(sequence, "payment", f"contract {name!r} is of another contractor or fund")
        if contract.price is not None:
            payable = contract.price - (contract.retained if self.books.day < contract.until else 0)
            if contract.paid > payable:
                self.fault(sequence, "payment", f"{contract.paid} are paid under contract {name!r}, {payable} may be")

    @staticmethod
    def came_back(payment, amount):
        """What was returned or reversed is paid no more."""
        if payment.contract is not None:
            payment.contract.paid -= amount

    # -- What is registered

    def tender_opened(self, sequence, payload, _legs, _flows):
        """A tender is opened once, up to a ceiling."""
        name, ceiling, ocid = payload.get("tender_id", ""), payload.get("ceiling_minor", 0), payload.get("ocid", "")
        fund = self.books.funds.get(payload.get("fund", 0))
        if fund is None or ceiling <= 0 or (ocid and not OCID.fullmatch(ocid)):
            self.fault(sequence, "books", f"tender {name!r} of fund {payload.get('fund', 0)} up to {ceiling}")
        if name in self.tenders:
            self.fault(sequence, "books", f"tender {name!r} was opened before")
        self.tenders[name] = [fund, ceiling, ocid, None, 0]

    def tender_awarded(self, sequence, payload, _legs, _flows):
        """A tender is awarded once, within its ceiling."""
        name, amount = payload.get("tender_id", ""), payload.get("amount_minor", 0)
        tender = self.tenders.get(name)
        if tender is None:
            self.fault(sequence, "books", f"tender {name!r} is awarded, but was never opened")
            return
        if tender[3] is not None:
            self.fault(sequence, "books", f"tender {name!r} was awarded before")
        if not 0 < amount <= tender[1]:
            self.fault(sequence, "books", f"tender {name!r} is awarded for {amount}, its ceiling is {tender[1]}")
        tender[3:] = [payload.get("supplier", b""), amount]

    def contract_registered(self, sequence, payload, _legs, _flows):
        """A contract is registered once, as it was awarded, and as it was committed to before."""
        name, price, ocid = payload.get("contract_id", ""), payload.get("amount_minor", 0), payload.get("ocid", "")
        fund, supplier = self.books.funds.get(payload.get("fund", 0)), payload.get("supplier", b"")
        if fund is None or price <= 0 or (ocid and not OCID.fullmatch(ocid)):
            self.fault(sequence, "books", f"contract {name!r} of fund {payload.get('fund', 0)} for {price}")
        tender_id = payload.get("tender_id", "")
        if not tender_id and not payload.get("method"):
            self.fault(sequence, "books", f"contract {name!r} says not how its contractor was found")
        elif tender_id:
            tender = self.tenders.get(tender_id, [None, 0, "", None, 0])
            tender[4] -= price
            ocid = ocid or tender[2]
            if tender[0] is not fund or tender[3] != supplier or tender[4] < 0 or tender[2] not in ("", ocid):
                self.fault(sequence, "books", f"contract {name!r} is not what was awarded in tender {tender_id!r}")
        contract = self.contracts.setdefault(name, Contract())
        if contract.price is not None:
            self.fault(sequence, "books", f"contract {name!r} was registered before")
        if contract.fund is not None and (contract.fund, contract.payee) != (fund, supplier):
            self.fault(sequence, "books", f"contract {name!r} was committed to another contractor or fund")
        contract.fund, contract.payee, contract.ocid = fund, supplier, ocid
        contract.first = contract.price = price
        self.within_price(sequence, name, contract)

    def registered(self, sequence, payload, what):
        """The registered contract that an event is about; None after a fault."""
        name = payload.get("contract_id", "")
        contract = self.contracts.get(name)
        if contract is None or contract.price is None:
            self.fault(sequence, "books", f"contract {name!r} is {what}, but not registered")
            return name, None
        if contract.is_settled:
            self.fault(sequence, "books", f"contract {name!r} is {what}, but was settled before")
        return name, contract

    def contract_amended(self, sequence, payload, _legs, _flows):
        """All additions together are a tenth of the first price at most (政府采购法§49)."""
        name, contract = self.registered(sequence, payload, "amended")
        if contract is None:
            return
        change = payload.get("change_minor", 0)
        contract.price += change
        contract.added += max(change, 0)
        if not change or contract.price <= 0:
            self.fault(sequence, "books", f"contract {name!r} is amended by {change}")
        if contract.added > contract.first // 10:
            self.fault(sequence, "books", f"{contract.added} is added to contract {name!r}, first {contract.first}")
        self.within_price(sequence, name, contract)

    def contract_settled(self, sequence, payload, _legs, _flows):
        """A contract is settled once, at most at its price, and with what is retained not below what was paid."""
        name, contract = self.registered(sequence, payload, "settled")
        if contract is None:
            return
        amount, retained = payload.get("amount_minor", 0), payload.get("retention_minor", 0)
        until = payload.get("retention_until_day", 0)
        if not 0 <= retained <= amount or amount <= 0 or (retained == 0) != (until == 0):
            self.fault(sequence, "books", f"contract {name!r} is settled at {amount}, of which {retained} is retained")
        if amount > contract.price:
            self.fault(sequence, "books", f"contract {name!r} is settled at {amount}, its price is {contract.price}")
        if contract.paid > amount - retained:
            self.fault(sequence, "books", f"{contract.paid} are paid under contract {name!r}, {amount - retained} may be")
        contract.price, contract.retained, contract.until, contract.is_settled = amount, retained, until, True

    def final_account_approved(self, sequence, payload, _legs, _flows):
        """What a project cost is within its estimate, and not below what was paid."""
        fund, amount = self.books.funds.get(payload.get("fund", 0)), payload.get("amount_minor", 0)
        name = payload.get("project_id", "")
        project = self.books.families.projects.get((fund, name))
        if project is None:
            self.fault(sequence, "books", f"a final account of project {name!r}, which has no estimate")
            return
        if not 0 < amount <= project.estimate:
            self.fault(sequence, "books", f"final account {amount} of project {name!r}, its estimate is {project.estimate}")
        if project.paid > amount:
            self.fault(sequence, "books", f"final account {amount} of project {name!r}, {project.paid} were paid")
        if any(not 0 <= named < sequence for named in payload.get("surplus_sequences", ())):
            self.fault(sequence, "books", f"the final account of project {name!r} names events to come")
        project.final = amount

    # -- Goals

    def goal_set(self, sequence, payload, _legs, _flows):
        """A goal is of something known, set before its year ends, and replaces the one that held."""
        kind, name, year = payload.get("subject_kind", 0), payload.get("subject_id", ""), payload.get("year", 0)
        indicator, weight = payload.get("indicator_code", ""), payload.get("weight_ppm", 0)
        if (kind, name) not in self.subjects:
            self.fault(sequence, "books", f"a goal of {name!r}, which is unknown")
        if year_of(self.books.day) > year:
            self.fault(sequence, "books", f"goal {indicator!r} of {year} is set in {year_of(self.books.day)}")
        goals = self.goals.setdefault((kind, name, year), {})
        goal = goals.setdefault(indicator, [0, 0, None, 0])
        if goal[0] != payload.get("replaces_sequence", 0):
            self.fault(sequence, "books", f"goal {indicator!r} replaces {payload.get('replaces_sequence', 0)}, not {goal[0]}")
        goal[:2] = [sequence, weight]
        together = sum(weight for _, weight, _, _ in goals.values())
        if weight <= 0 or together > WHOLE_PPM:
            self.fault(sequence, "books", f"goal {indicator!r} weighs {weight}, all together {together}")
        if payload.get("target_milli", 0) < 0:
            self.fault(sequence, "books", f"goal {indicator!r} has target {payload['target_milli']}")

    def output_recorded(self, sequence, payload, _legs, _flows):
        """A record is towards a goal that there is, of a later day than the last one, or corrects it."""
        key = payload.get("subject_kind", 0), payload.get("subject_id", ""), payload.get("year", 0)
        indicator, day = payload.get("indicator_code", ""), payload.get("as_of_day", 0)
        corrected = payload.get("corrects_sequence", 0)
        goal = self.goals.get(key, {}).get(indicator)
        if goal is None:
            self.fault(sequence, "books", f"an output towards goal {indicator!r}, which was never set")
            return
        is_next = goal[2] is None or day > goal[3]
        if corrected != goal[2] if corrected else not is_next:
            self.fault(sequence, "books", f"an output towards goal {indicator!r} passes over that of {goal[2]}")
        if payload.get("actual_milli", 0) < 0:
            self.fault(sequence, "books", f"an output of {payload['actual_milli']} towards goal {indicator!r}")
        goal[2:] = [sequence, day]
