"""What the families of funds add to the books of verify.py.

Who may have which accounts, what a policy makes of an amount, what a person may get, what came back, what interest is
due. Like verify.py it shares no code with the ledger and uses Python's standard library only. Amounts are derived again
from the legs and from the policy version in force; no sum that an event states is believed.

In reading order: the tables, arithmetic, what is remembered, the rules by family.
"""

import collections
import datetime

from kinds import (
    ASSETS, BOND, CLAIMS, CLEARING, DISTRIBUTED, FISCAL_SPECIAL, FUND_LOT, HOUSING_DEPOSIT, HOUSING_PERSONAL,
    HOUSING_SURPLUS_DEPOSIT, INCOME, KIND_NAMES, LEVELS, LOAN, NONTAX_PENDING, NONTAX_SHARE, PAYOUT, PERSONAL, PERSONS,
    POOL, SHARES, SOURCE, SURPLUS, TREASURY,
)  # fmt: skip

SPECIAL, DEPARTMENT_BUDGET, INVESTMENT, NONTAX, SOCIAL_INSURANCE, HOUSING_PROVIDENT = range(1, 7)
AUTHORITY_KINDS = (*range(SOURCE, SOURCE + 9), TREASURY, FUND_LOT, CLEARING)
KINDS_OF = {
    SPECIAL: AUTHORITY_KINDS,
    DEPARTMENT_BUDGET: AUTHORITY_KINDS,
    INVESTMENT: AUTHORITY_KINDS,
    NONTAX: (TREASURY, NONTAX_PENDING, NONTAX_SHARE, *LEVELS),
    SOCIAL_INSURANCE: (FISCAL_SPECIAL, INCOME, PAYOUT, BOND, POOL, PERSONAL, *LEVELS),
    HOUSING_PROVIDENT: (
        HOUSING_DEPOSIT, HOUSING_SURPLUS_DEPOSIT, LOAN, BOND, HOUSING_PERSONAL, SURPLUS, *DISTRIBUTED,
    ),
}  # fmt: skip
SCHEMES_OF = {SPECIAL: range(7), SOCIAL_INSURANCE: range(11, 18)}  # Of any other family: none, 0.

# Kinds of rates.
EMPLOYER, PERSON, PERSON_POOLED, LATE_FEE, POOL_TRANSFER, PERSONAL_INTEREST, LOAN_INTEREST = range(1, 8)
PARTS = ((EMPLOYER, "employer_minor"), (PERSON, "personal_minor"), (PERSON_POOLED, "personal_pooled_minor"))
MILLION = 1_000_000
REGULAR, BACK = 1, 2
TRANSFER_OUT = 2
OPENING_BALANCE, DAY_PRODUCT = 1, 2
FACTS = range(1, 7)
RESTORED = 6
SURPLUS_SPLIT = "surplus"
LINES_MAX = 512
MONTHS_MAX = 360
MAX_AMOUNT = (1 << 53) - 1
EPOCH = datetime.date(1970, 1, 1).toordinal()

# The ways money takes within a fund: (kind debited, kind credited).
BANKS = (TREASURY, FISCAL_SPECIAL, PAYOUT)
BOTH_WAYS = (
    (FISCAL_SPECIAL, PAYOUT), (HOUSING_DEPOSIT, HOUSING_SURPLUS_DEPOSIT), (FISCAL_SPECIAL, BOND),
    (HOUSING_DEPOSIT, BOND), *((bank, level) for bank in BANKS for level in LEVELS),
)  # fmt: skip
WAYS = {(FISCAL_SPECIAL, INCOME), *BOTH_WAYS, *(way[::-1] for way in BOTH_WAYS)}

# Of these kinds an event may move several accounts on one side; of any other one, by one leg.
SEVERAL = frozenset((*PERSONS, *SHARES, *DISTRIBUTED))


# ---- Arithmetic ----------------------------------------------------------------------------------------------------


def half_up(numerator, denominator):
    """A fraction, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def at_rate(amount, ppm):
    """What a rate in parts per million makes of an amount."""
    return half_up(amount * ppm, MILLION)


def split(amount, weights):
    """An amount by weights: whole units down, then one more to the largest remainders, ties in the order given."""
    whole = sum(weights)
    if whole <= 0:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    # The sort is stable, so ties stay in order.
    by_remainder = sorted(range(len(weights)), key=lambda at: -(amount * weights[at] % whole))
    for at in by_remainder[: amount - sum(parts)]:
        parts[at] += 1
    return parts


def day_of(year, month, day):
    """A date in days since 1970-01-01; ValueError if there is none."""
    return datetime.date(year, month, day).toordinal() - EPOCH


def first_day(period):
    """First day of the month yyyymm; ValueError if there is no such month."""
    year, month = divmod(period, 100)
    return day_of(year, month, 1)


def interest_year(family, year):
    """First and last day of an interest year; ValueError if there is none. In housing it ends on 30 June."""
    if not 1 < year < datetime.MAXYEAR:
        raise ValueError(f"no year {year}")
    if family == HOUSING_PROVIDENT:
        return day_of(year - 1, 7, 1), day_of(year, 6, 30)
    return day_of(year, 1, 1), day_of(year, 12, 31)


def interest_basis(method, changes, first, last):
    """What a year's interest is of: the balance at its beginning, or the sum of each day's closing balance.

    A change counts from its own day on, whenever it was booked: that is as if each day's balance were added up.
    """
    if method == OPENING_BALANCE:
        return sum(amount for day, amount in changes if day < first)
    return sum(amount * (last - max(day, first) + 1) for day, amount in changes if day <= last)


def moved(legs, kinds, is_debit):
    """Sums the legs on accounts of some kinds on one side: {Account: amount above 0}."""
    sums = {}
    for account, _, amount in legs:
        if account.kind in kinds and (amount > 0) == is_debit:
            sums[account] = sums.get(account, 0) + abs(amount)
    return sums


def above_zero(accounts, parts):
    """Parts by account, without those that are nothing: they have no leg."""
    sums = {}
    for account, part in zip(accounts, parts):
        if part > 0:
            sums[account] = sums.get(account, 0) + part
    return sums


# ---- What is remembered --------------------------------------------------------------------------------------------


class Terms:
    """What a policy version sets."""

    __slots__ = ("from_day", "rates", "splits", "items", "reasons", "method", "is_income_emptied", "witnessing",
                 "wants_registered")  # fmt: skip

    def __init__(self, policy):
        terms = policy.get("terms", {})
        self.from_day = policy.get("effective_from_day", 0)
        self.rates = {rate.get("kind", 0): rate.get("ppm", 0) for rate in terms.get("rates", ())}
        self.splits = {}
        for each in terms.get("splits", ()):
            shares = [(share.get("recipient", ""), share.get("weight", 0)) for share in each.get("shares", ())]
            self.splits[each.get("code", "")] = shares
        self.items = {item.get("code", ""): item for item in terms.get("items", ())}
        self.reasons = frozenset(terms.get("withdrawal_reasons", ()))
        self.method = terms.get("interest_method", 0)
        self.is_income_emptied = bool(terms.get("empty_income_at_month_end", 0))
        self.witnessing = terms.get("witnessing", {})
        self.wants_registered = bool(terms.get("registered_contracts_only", 0))


NO_TERMS = Terms({})


class Notice:
    """A notice of non-tax revenue, and where what was paid on it stands, by the legs alone."""

    __slots__ = ("fund", "item", "due", "pending", "shares")

    def __init__(self, fund, item, due):
        self.fund, self.item, self.due = fund, item, due
        self.pending = 0
        self.shares = {}  # Account -> what it holds, in the order in which they were first credited

    @property
    def net(self):
        """What was collected and not refunded."""
        return self.pending + sum(self.shares.values())


class Benefit:
    """A benefit or a withdrawal, with what each claim still lacks of it."""

    __slots__ = ("sequence", "bank", "left", "claim")

    def __init__(self, sequence, bank, left, claim):
        self.sequence, self.bank = sequence, bank
        self.left = left  # Account -> minor units, the pool first
        self.claim = claim  # (fund, person, item, month), as long as it did not all come back; a withdrawal has none


class Loan:
    """A housing loan."""

    __slots__ = ("fund", "rate", "owed", "issued", "repaid_through")

    def __init__(self, fund, rate, owed, day):
        self.fund, self.rate, self.owed = fund, rate, owed
        issued = datetime.date.fromordinal(day + EPOCH)
        self.issued = issued.year * 100 + issued.month
        self.repaid_through = None


class Project:
    """A project of government investment."""

    __slots__ = ("estimate", "paid", "final")

    def __init__(self):
        self.estimate = self.paid = 0
        self.final = None

    @property
    def cap(self):
        """What all payments stay within: the final account, once there is one."""
        return self.estimate if self.final is None else min(self.final, self.estimate)


# ---- The rules -----------------------------------------------------------------------------------------------------


class Families:
    """Holds the events of the families against what they should have moved.

    Each event is looked at before its legs are posted, so that an account's balance is what it was before. What an
    event did is remembered as its legs say, even where it is wrong: one wrong event should not make later ones wrong.
    """

    def __init__(self, books):
        self.books = books
        self.fault = books.fault
        self.terms = {}  # (policy, version) -> Terms
        self.versions = {}  # policy -> (version, Terms) as they were set
        self.by_id = {}  # account id -> Account
        self.live = {}  # (family, scheme, person) -> the person's Account
        self.notices, self.benefits, self.loans, self.projects = {}, {}, {}, {}
        self.contributed = set()  # (fund, person, month) of regular contributions
        self.paid = {}  # (person, month) -> {(fund, item): payments that did not all come back}
        self.facts = {}  # person -> (day, fund, fact) as they were recorded
        self.determined = set()  # (fund, unit, item, month)
        self.changes = {}  # personal Account -> (effective day, change)
        self.credited = {}  # personal Account -> the last year whose interest was credited
        self.handlers = {
            "AccountClosed": self.account_closed,
            "EligibilityRecorded": self.eligibility_recorded,
            "EstimateApproved": self.estimate_approved,
            "EntitlementDetermined": self.entitlement_determined,
            "NontaxNoticed": self.nontax_noticed,
            "NontaxCollected": self.nontax_collected,
            "NontaxSplit": self.nontax_split,
            "NontaxRefunded": self.nontax_refunded,
            "ContributionReceived": self.contribution_received,
            "IncomeReceived": self.income_received,
            "FundsMoved": self.funds_moved,
            "BenefitPaid": self.benefit_paid,
            "BenefitRecovered": self.benefit_recovered,
            "RelationTransferred": self.relation_transferred,
            "InterestCredited": self.interest_credited,
            "HousingWithdrawn": self.housing_withdrawn,
            "LoanIssued": self.loan_issued,
            "LoanRepaid": self.loan_repaid,
            "SurplusDistributed": self.surplus_distributed,
        }

    # -- What several rules ask

    def terms_of(self, fund):
        """The terms of the policy version that the event at hand names."""
        return self.terms.get((fund.policy, self.books.policy_version), NO_TERMS)

    def in_force(self, fund, day=None):
        """The version in force on the day of the event at hand, and its terms: the last one set that had begun."""
        day = self.books.day if day is None else day
        begun = (each for each in reversed(self.versions.get(fund.policy, ())) if each[1].from_day <= day)
        return next(begun, (0, NO_TERMS))

    def names_version(self, sequence, fund):
        """An event that rests on a policy names the version in force: with any other it could choose its rates."""
        named, version = self.books.policy_version, self.in_force(fund)[0]
        if named != version:
            self.fault(sequence, "books", f"fund {fund.number}: policy version {named} is named, {version} is in force")

    @staticmethod
    def exclude(fund, other):
        """Whether one of two funds names the other."""
        return other.fund_id in fund.exclusive_with or fund.fund_id in other.exclusive_with

    def month(self, sequence, kind, period):
        """First day of a month; None, after a fault, where there is no such month."""
        try:
            return first_day(period)
        except ValueError:
            self.fault(sequence, kind, f"there is no month {period}")
            return None

    def rate(self, sequence, fund, kind, name):
        """A rate that must be set; 0, after a fault, where it is not."""
        ppm = self.terms_of(fund).rates.get(kind)
        if ppm is None:
            self.fault(sequence, "books", f"the policy of fund {fund.number} sets no rate for {name}")
        return ppm or 0

    def split_accounts(self, sequence, fund, code):
        """Accounts and weights of a split, in the policy's order; None, after a fault, where it is not set."""
        self.names_version(sequence, fund)
        shares = self.terms_of(fund).splits.get(code)
        if not shares:
            self.fault(sequence, "books", f"the policy of fund {fund.number} sets no split {code!r}")
            return None
        accounts = [self.by_id.get(recipient) for recipient, _ in shares]
        for account, (recipient, _) in zip(accounts, shares):
            if account is None or account.fund is not fund:
                self.fault(sequence, "books", f"split {code!r}: {recipient!r} is no account of fund {fund.number}")
                return None
        return accounts, [weight for _, weight in shares]

    def expect(self, sequence, kind, what, due, found):
        """Each account moves what is due to or from it, and no other account moves."""
        for account in {**due, **found}:
            if due.get(account, 0) != found.get(account, 0):
                amounts = f"moves {found.get(account, 0)}, {due.get(account, 0)} is due"
                self.fault(sequence, kind, f"{what}: account {account.number} {amounts}")

    def one_leg_each(self, sequence, event_type, legs):
        """One leg an account and side; of most kinds only one account."""
        seen = set()
        for account, _, amount in legs:
            place = (account if account.kind in SEVERAL else account.kind, amount > 0)
            if place in seen:
                name = KIND_NAMES[account.kind]
                self.fault(sequence, "books", f"{event_type} has several legs on one side of {name}")
                return
            seen.add(place)

    def person_of(self, sequence, payload, legs):
        """The personal account that an event names, of the fund of its legs; None, after a fault, for any other."""
        number = payload.get("account", 0)
        account = self.books.accounts.get(number)
        if account is None or account.kind not in PERSONS or account.fund is not legs[0][0].fund:
            self.fault(sequence, "books", f"account {number} is nobody's own in fund {legs[0][0].fund.number}")
            return None
        return account

    def persons_of(self, sequence, fund, lines, is_open):
        """Yields the lines with a personal account of the fund, each once; `is_open`: and not closed."""
        seen = set()
        for line in lines:
            number = line.get("account", 0)
            account = self.books.accounts.get(number)
            if account is None or account.kind not in PERSONS or account.fund is not fund:
                self.fault(sequence, "books", f"account {number} is nobody's own in fund {fund.number}")
            elif account in seen:
                self.fault(sequence, "books", f"account {number} stands in two lines")
            else:
                if is_open and account.is_closed:
                    self.fault(sequence, "books", f"account {number} is closed")
                seen.add(account)
                yield account, line

    # -- Set-up

    def fund_defined(self, sequence, fund):
        """Families and schemes go together."""
        if fund.family not in KINDS_OF:
            self.fault(sequence, "books", f"fund {fund.number} of unknown family {fund.family}")
        elif fund.scheme not in SCHEMES_OF.get(fund.family, (0,)):
            self.fault(sequence, "books", f"fund {fund.number} of family {fund.family} has scheme {fund.scheme}")

    def policy_set(self, policy, version, payload):
        """Keeps the terms of each version: an event names the one that applied."""
        terms = self.terms[policy, version] = Terms(payload)
        self.versions.setdefault(policy, []).append((version, terms))

    def account_opened(self, sequence, account):
        """Of a kind of its fund's family; a person has one in each scheme, and one in all of housing (I11)."""
        fund, number = account.fund, account.number
        self.by_id.setdefault(account.account_id, account)
        if account.kind not in KINDS_OF.get(fund.family, ()):
            name = KIND_NAMES[account.kind]
            self.fault(sequence, "books", f"account {number} of kind {name} in a fund of family {fund.family}")
        if len(account.person) != (16 if account.kind in PERSONS else 0):
            self.fault(sequence, "books", f"account {number} names a person by {len(account.person)} bytes")
        elif account.person:
            other = self.live.setdefault(self.place(account), account)
            if other is not account:
                self.fault(sequence, "books", f"account {number}: its person has account {other.number} already")

    @staticmethod
    def place(account):
        """Where a person may have one account only: a scheme, whichever fund it is in; housing has none."""
        return account.fund.family, account.fund.scheme, account.person

    def account_closed(self, sequence, payload, _legs, _flows):
        """An empty account is closed, once. Legs on it are found from here on."""
        number = payload.get("account", 0)
        account = self.books.accounts.get(number)
        if account is None:
            self.fault(sequence, "books", f"unknown account {number} is closed")
            return
        if account.is_closed:
            self.fault(sequence, "books", f"account {number} was closed before")
        # Over all its lots: none of them may be below zero, so that nothing is hidden in the sum.
        if account.balance:
            self.fault(sequence, "books", f"account {number} is closed, but holds {account.balance}")
        account.is_closed = True
        if self.live.get(self.place(account)) is account:
            del self.live[self.place(account)]

    def month_closed(self, sequence, fund, period):
        """Where the policy says so, the income account is empty when a month closes (收入户月末无余额)."""
        if self.in_force(fund)[1].is_income_emptied and any(fund.balances.get(key) for key in fund.income):
            self.fault(sequence, "period", f"month {period} closed, but an income account is not zero")

    # -- Investment and entitlements

    def estimate_approved(self, sequence, payload, _legs, _flows):
        """All payments of a project stay within its latest estimate: a new one is not below what was paid."""
        fund, amount = self.books.funds.get(payload.get("fund", 0)), payload.get("amount_minor", 0)
        project_id = payload.get("project_id", "")
        if fund is None or fund.family != INVESTMENT:
            self.fault(sequence, "books", f"an estimate in fund {payload.get('fund', 0)}, which is not of investment")
            return
        project = self.projects.setdefault((fund, project_id), Project())
        project.estimate = amount
        if amount <= 0 or not project_id:
            self.fault(sequence, "books", f"an estimate of {amount} for project {project_id!r}")
        elif project.paid > amount:
            self.fault(sequence, "payment", f"estimate {amount} of project {project_id!r}, {project.paid} were paid")

    def entitlement_determined(self, sequence, payload, _legs, _flows):
        """What is due for a head count is determined once a unit, item and month, and split by the policy."""
        fund, item = self.books.funds.get(payload.get("fund", 0)), payload.get("item_code", "")
        if fund is None:
            self.fault(sequence, "books", f"an entitlement in unknown fund {payload.get('fund', 0)}")
            return
        unit, period = payload.get("unit_id", ""), payload.get("period", 0)
        if (fund, unit, item, period) in self.determined:
            self.fault(sequence, "books", f"entitlement of {unit!r} to {item!r} for {period} was determined before")
        self.determined.add((fund, unit, item, period))
        heads, standard = payload.get("head_count", 0), payload.get("standard_minor", 0)
        if heads < 0 or not 0 <= heads * standard <= MAX_AMOUNT:
            self.fault(sequence, "books", f"an entitlement of {heads} heads at {standard}")
            return
        self.names_version(sequence, fund)
        shares = self.terms_of(fund).splits.get(item)
        if not shares:
            self.fault(sequence, "books", f"the policy of fund {fund.number} sets no split {item!r}")
            return
        parts = split(heads * standard, [weight for _, weight in shares])
        due = [(recipient, part) for (recipient, _), part in zip(shares, parts)]
        if due != [(share.get("recipient", ""), share.get("amount_minor", 0)) for share in payload.get("shares", ())]:
            self.fault(sequence, "books", f"the shares of {item!r} are not those of the policy's split: {due}")

    # -- Payments of lots, as far as persons and projects limit them

    def paid_out(self, sequence, payment, payload):
        """A payment of investment is its project's, a payout is somebody's for a month."""
        if payment.fund.family == INVESTMENT:
            self.project_paid(sequence, payment, payload.get("project_id", ""))
        payout = payload.get("payout")
        if payout is not None:
            person = payload.get("payee", b"")
            if len(person) != 16:
                self.fault(sequence, "payment", f"a payout names its payee by {len(person)} bytes")
            payment.claim = (payment.fund, person, payout.get("item_code", ""), payout.get("period", 0))
            self.may_be_paid(sequence, payment.claim, payment.amount)
            self.claim(payment.claim, 1)

    def project_paid(self, sequence, payment, project_id):
        """A payment counts against the estimate of its project (I8)."""
        project = self.projects.get((payment.fund, project_id)) if project_id else None
        if project is None:
            self.fault(sequence, "payment", f"project {project_id!r} has no estimate")
            return
        payment.project = project
        project.paid += payment.amount
        if project.paid > project.cap:
            amounts = f"{project.paid} are paid, the estimate is {project.cap}"
            self.fault(sequence, "payment", f"project {project_id!r}: {amounts}")

    def came_back(self, payment, amount, is_all):
        """What was returned or reversed counts no more for its project; where it is all, the month is free again."""
        if payment.project is not None:
            payment.project.paid -= amount
        if is_all and payment.claim is not None:
            self.claim(payment.claim, -1)
            payment.claim = None

    # -- What a person may be paid

    def eligibility_recorded(self, sequence, payload, _legs, _flows):
        """Facts stay in the order in which they were recorded."""
        person, fact, fund = payload.get("person", b""), payload.get("fact", 0), payload.get("fund", 0)
        if len(person) != 16 or fact not in FACTS or (fund and fund not in self.books.funds):
            who = f"a person named by {len(person)} bytes in fund {fund}"
            self.fault(sequence, "books", f"fact {fact} about {who}")
        self.facts.setdefault(person, []).append((payload.get("effective_day", 0), fund, fact))

    def claim(self, claim, count):
        """Adds what a person may have once: (fund, person, item, month); or, by a count below zero, takes it away."""
        fund, person, code, period = claim
        self.paid.setdefault((person, period), collections.Counter())[fund, code] += count

    def may_be_paid(self, sequence, claim, amount):
        """An item of the policy, within its limit, once a month (I12), to somebody who may be paid (I14).

        Nor does a fund that excludes this one pay the person anything for the month. Returns the item.
        """
        fund, person, code, period = claim
        self.names_version(sequence, fund)
        item = self.terms_of(fund).items.get(code)
        if item is None:
            self.fault(sequence, "payment", f"the policy of fund {fund.number} has no item {code!r}")
        elif 0 < item.get("max_amount_minor", 0) < amount:
            limit = item["max_amount_minor"]
            self.fault(sequence, "payment", f"{amount} of item {code!r}, the policy's limit is {limit}")
        for (other, other_code), count in self.paid.get((person, period), {}).items():
            if count > 0 and (other, other_code) == (fund, code):
                self.fault(sequence, "payment", f"item {code!r} for {period} was paid to the person before")
            elif count > 0 and other is not fund and self.exclude(fund, other):
                self.fault(sequence, "payment", f"the person is paid for {period} by fund {other.number}")
        day = self.month(sequence, "payment", period)
        fact = None if day is None else self.last_fact(fund, person, day)
        if fact not in (None, RESTORED):
            self.fault(sequence, "payment", f"the person may not be paid for {period}: fact {fact} is on record")
        return item

    def last_fact(self, fund, person, day):
        """The last fact that holds on a day, of two from one day the one recorded last; None where there is none."""
        last = None
        for effective_day, number, fact in self.facts.get(person, ()):
            if number in (0, fund.number) and effective_day <= day and (last is None or effective_day >= last[0]):
                last = (effective_day, fact)
        return last and last[1]

    def is_voucher_used(self, payment_id):
        """Payments, benefits and withdrawals share their numbers."""
        return payment_id in self.benefits or payment_id in self.books.payments

    def new_voucher(self, sequence, payment_id, benefit):
        """Keeps a benefit or a withdrawal under its number, which must be new."""
        if not payment_id or self.is_voucher_used(payment_id):
            self.fault(sequence, "payment", f"payment {payment_id!r} exists" if payment_id else "no payment_id")
        else:
            self.benefits[payment_id] = benefit

    # -- Non-tax revenue

    def nontax_noticed(self, sequence, payload, _legs, _flows):
        """A notice starts."""
        notice_id, amount = payload.get("notice_id", ""), payload.get("amount_minor", 0)
        fund = self.books.funds.get(payload.get("fund", 0))
        if not 1 <= amount <= MAX_AMOUNT:
            self.fault(sequence, "payment", f"notice {notice_id!r} of {amount}")
        if len(payload.get("payer", b"")) != 16:
            payer = len(payload.get("payer", b""))
            self.fault(sequence, "payment", f"notice {notice_id!r} names its payer by {payer} bytes")
        if not notice_id or notice_id in self.notices:
            self.fault(sequence, "payment", f"notice {notice_id!r} exists" if notice_id else "no notice_id")
        elif fund is None or fund.family != NONTAX:
            number = payload.get("fund", 0)
            self.fault(sequence, "payment", f"notice {notice_id!r} in fund {number}, which is not of non-tax")
        else:
            self.notices[notice_id] = Notice(fund, payload.get("item_code", ""), amount)

    def notice_of(self, sequence, payload, legs):
        """The notice an event is about; None, after a fault, where there is none or the money is of another fund."""
        notice_id = payload.get("notice_id", "")
        notice = self.notices.get(notice_id)
        if notice is None:
            self.fault(sequence, "payment", f"unknown notice {notice_id!r}")
        elif legs and legs[0][0].fund is not notice.fund:
            self.fault(sequence, "payment", f"notice {notice_id!r} is of fund {notice.fund.number}")
            return None
        return notice

    def nontax_collected(self, sequence, payload, legs, _flows):
        """No more is collected than the notice says, less what was refunded."""
        self.one_leg_each(sequence, "NontaxCollected", legs)
        notice = self.notice_of(sequence, payload, legs)
        if notice is None:
            return
        notice.pending += sum(moved(legs, (NONTAX_PENDING,), False).values())
        if notice.net > notice.due:
            notice_id = payload["notice_id"]
            self.fault(sequence, "payment", f"{notice.net} collected on notice {notice_id!r} of {notice.due}")

    def nontax_split(self, sequence, payload, legs, _flows):
        """All that is pending goes to the levels, by the policy's split of the item."""
        notice = self.notice_of(sequence, payload, legs)
        if notice is None:
            return
        amount, what = sum(moved(legs, (NONTAX_PENDING,), True).values()), f"split of notice {payload['notice_id']!r}"
        if amount != notice.pending:
            self.fault(sequence, "payment", f"{what}: {amount} is split, {notice.pending} is pending")
        notice.pending -= amount
        found, order = moved(legs, SHARES, False), ()
        shares = self.split_accounts(sequence, notice.fund, notice.item)
        if shares is not None:
            order, weights = shares
            self.expect(sequence, "payment", what, above_zero(order, split(amount, weights)), found)
        # Legs have no order: the shares stand in that of the policy, since later refunds break ties by it.
        for account in dict.fromkeys((*order, *found)):
            if account in found:
                notice.shares[account] = notice.shares.get(account, 0) + found[account]

    def nontax_refunded(self, sequence, payload, legs, _flows):
        """At most what is there goes back: what is pending first, then from the shares by what each still holds."""
        notice = self.notice_of(sequence, payload, legs)
        if notice is None:
            return
        notice_id, amount = payload["notice_id"], sum(moved(legs, (TREASURY,), False).values())
        pending, found = sum(moved(legs, (NONTAX_PENDING,), True).values()), moved(legs, SHARES, True)
        if amount > notice.net:
            self.fault(sequence, "payment", f"{amount} refunded on notice {notice_id!r}, {notice.net} are left")
        else:
            first = min(amount, notice.pending)
            what = f"refund of notice {notice_id!r}"
            if pending != first:
                self.fault(sequence, "payment", f"{what}: {pending} of what is pending, {first} is due")
            due = above_zero(notice.shares, split(amount - first, list(notice.shares.values())))
            self.expect(sequence, "payment", what, due, found)
        notice.pending -= pending
        for account, part in found.items():
            notice.shares[account] = notice.shares.get(account, 0) - part

    # -- Contributions, income, transfers between accounts

    def contribution_received(self, sequence, payload, legs, _flows):
        """Parts at the policy's rates; the employer's to the pool, in housing to the person."""
        self.one_leg_each(sequence, "ContributionReceived", legs)
        if not legs:
            return
        fund, lines = legs[0][0].fund, payload.get("lines", ())
        is_housing, kind = fund.family == HOUSING_PROVIDENT, payload.get("kind", 0)
        self.names_version(sequence, fund)
        self.month(sequence, "books", payload.get("period", 0))
        if kind not in (REGULAR, BACK):
            self.fault(sequence, "books", f"contribution of unknown kind {kind}")
        if not 1 <= len(lines) <= LINES_MAX:
            self.fault(sequence, "books", f"a contribution of {len(lines)} lines")
        due, parts, pooled = {}, 0, 0
        for account, line in self.persons_of(sequence, fund, lines, is_open=True):
            employer, personal, to_pool = self.parts(sequence, fund, line)
            if kind == REGULAR:
                self.regular(sequence, fund, account, payload.get("period", 0))
            due[account] = personal + (employer if is_housing else 0)
            pooled += to_pool + (0 if is_housing else employer)
            parts += employer + personal + to_pool
        self.expect(sequence, "books", "contribution", due, moved(legs, PERSONS, False))
        pooled += self.late_fee(sequence, fund, payload, parts)
        found = sum(moved(legs, (POOL,), False).values())
        if found != pooled:
            self.fault(sequence, "books", f"contribution: the pool gets {found}, {pooled} is due to it")

    def parts(self, sequence, fund, line):
        """Employer's, person's and pooled part of a line: where the policy has a rate, that rate of the base."""
        base, number, rates = line.get("base_minor", 0), line.get("account", 0), self.terms_of(fund).rates
        found = []
        for kind, name in PARTS:
            part, ppm = line.get(name, 0), rates.get(kind)
            due = part if ppm is None else at_rate(base, ppm)
            # Without a rate nothing goes to the pool from a person; in housing nothing does at all.
            if kind == PERSON_POOLED and (ppm is None or fund.family == HOUSING_PROVIDENT):
                due = 0
            if part != due:
                self.fault(sequence, "books", f"contribution: {name} of account {number} is {part}, {due} is due")
            found.append(part)
        if min(base, *found) < 0:
            self.fault(sequence, "books", f"contribution: an amount of account {number} is below zero")
        return found

    def late_fee(self, sequence, fund, payload, parts):
        """The late fee: a rate a day of all that is late (社会保险法§86); none in housing."""
        days, fee = payload.get("late_days", 0), payload.get("late_fee_minor", 0)
        due = 0
        if days and fund.family != HOUSING_PROVIDENT:
            due = at_rate(parts * days, self.rate(sequence, fund, LATE_FEE, "late fees"))
        if fee != due:
            self.fault(sequence, "books", f"contribution: late fee {fee}, {due} is due")
        if min(days, fee) < 0:
            self.fault(sequence, "books", f"contribution: {days} days late, a fee of {fee}")
        return fee

    def regular(self, sequence, fund, account, period):
        """Once a person and month, and not in two funds of which one excludes the other."""
        if (fund, account.person, period) in self.contributed:
            self.fault(sequence, "books", f"contribution of account {account.number} for {period} was there before")
        for other in self.books.funds.values():
            has_part = other is not fund and (other, account.person, period) in self.contributed
            if has_part and self.exclude(fund, other):
                has = f"its person has one in fund {other.number}"
                self.fault(sequence, "books", f"contribution of account {account.number} for {period}: {has}")
        self.contributed.add((fund, account.person, period))

    def income_received(self, sequence, _payload, legs, _flows):
        """One bank account gets what one claim is credited."""
        self.one_leg_each(sequence, "IncomeReceived", legs)

    def funds_moved(self, sequence, _payload, legs, _flows):
        """One account to another, by the ways there are: the income account passes on and pays nothing."""
        sides = {amount > 0: account.kind for account, _, amount in legs}
        if len(legs) != 2 or len(sides) != 2:
            self.fault(sequence, "books", f"FundsMoved with {len(legs)} legs")
        elif (sides[True], sides[False]) not in WAYS:
            names = f"{KIND_NAMES[sides[False]]} to {KIND_NAMES[sides[True]]}"
            self.fault(sequence, "books", f"FundsMoved goes from {names}")

    # -- Benefits and what comes back of them

    def benefit_paid(self, sequence, payload, legs, _flows):
        """From the pool and the person's own account, as the item allows."""
        self.one_leg_each(sequence, "BenefitPaid", legs)
        account = self.person_of(sequence, payload, legs) if legs else None
        if account is None:
            return
        pool, own = moved(legs, (POOL,), True), moved(legs, (PERSONAL,), True)
        if set(own) - {account}:
            self.fault(sequence, "payment", f"account {account.number} gets a benefit from another person's account")
        code = payload.get("item_code", "")
        claim = (account.fund, account.person, code, payload.get("period", 0))
        item = self.may_be_paid(sequence, claim, sum(pool.values()) + sum(own.values()))
        for name, part in (("from_pool", pool), ("from_personal", own)):
            if part and item is not None and not item.get(name, 0):
                self.fault(sequence, "payment", f"item {code!r} is paid {name}, which the policy does not allow")
        self.claim(claim, 1)
        benefit = Benefit(sequence, moved(legs, ASSETS, False), {**pool, **own}, claim)
        self.new_voucher(sequence, payload.get("payment_id", ""), benefit)

    def housing_withdrawn(self, sequence, payload, legs, _flows):
        """From the person's account, for a reason of the policy's (住房公积金管理条例§24)."""
        self.one_leg_each(sequence, "HousingWithdrawn", legs)
        account = self.person_of(sequence, payload, legs) if legs else None
        if account is None:
            return
        self.names_version(sequence, account.fund)
        own, reason = moved(legs, PERSONS, True), payload.get("reason_code", "")
        if set(own) - {account}:
            self.fault(sequence, "payment", f"account {account.number} withdraws from another person's account")
        if reason not in self.terms_of(account.fund).reasons:
            self.fault(sequence, "payment", f"the policy of fund {account.fund.number} has no reason {reason!r}")
        withdrawal = Benefit(sequence, moved(legs, ASSETS, False), own, None)
        self.new_voucher(sequence, payload.get("payment_id", ""), withdrawal)

    def benefit_recovered(self, sequence, payload, legs, _flows):
        """At most what is left comes back, to the account that paid, for each claim by what it still lacks."""
        self.one_leg_each(sequence, "BenefitRecovered", legs)
        payment_id = payload.get("payment_id", "")
        benefit = self.benefits.get(payment_id)
        if benefit is None:
            self.fault(sequence, "payment", f"recovery of unknown benefit {payment_id!r}")
            return
        if payload.get("original_sequence", 0) != benefit.sequence:
            self.fault(sequence, "payment", f"original_sequence of {payment_id!r} is {benefit.sequence}")
        found, left = moved(legs, range(CLAIMS, CLAIMS + 20), False), sum(benefit.left.values())
        amount = sum(found.values())
        if amount > left:
            self.fault(sequence, "payment", f"{amount} of {payment_id!r} recovered, {left} are left")
        else:
            due = above_zero(benefit.left, split(amount, list(benefit.left.values())))
            self.expect(sequence, "payment", f"recovery of {payment_id!r}", due, found)
        if set(moved(legs, ASSETS, True)) - set(benefit.bank):
            self.fault(sequence, "payment", f"recovery of {payment_id!r} goes to an account that did not pay it")
        for account, part in found.items():
            if account in benefit.left:
                benefit.left[account] -= part
        if benefit.claim is not None and amount >= left:
            self.claim(benefit.claim, -1)
            benefit.claim = None

    # -- Transfers and interest

    def relation_transferred(self, sequence, payload, legs, _flows):
        """Out goes the whole personal account; both ways the pool's part is a rate of the wages."""
        self.one_leg_each(sequence, "RelationTransferred", legs)
        account = self.person_of(sequence, payload, legs) if legs else None
        if account is None:
            return
        self.names_version(sequence, account.fund)
        is_out, wages = payload.get("direction", 0) == TRANSFER_OUT, payload.get("wage_base_minor", 0)
        own = moved(legs, (PERSONAL,), is_out)
        due = {account: account.balance if is_out else own.get(account, 0)}
        self.expect(sequence, "books", "transfer", due, own)
        found = sum(moved(legs, (POOL,), is_out).values())
        pooled = at_rate(wages, self.rate(sequence, account.fund, POOL_TRANSFER, "transfers")) if wages else 0
        if found != pooled or wages < 0:
            self.fault(sequence, "books", f"transfer: {found} of the pool, {pooled} is due")

    def interest_credited(self, sequence, payload, legs, _flows):
        """A year's interest, after it, at the policy's rate and by its method, to each person once a year."""
        self.one_leg_each(sequence, "InterestCredited", legs)
        fund, year = self.books.funds.get(payload.get("fund", 0)), payload.get("year", 0)
        if fund is None or fund.family not in (SOCIAL_INSURANCE, HOUSING_PROVIDENT):
            self.fault(sequence, "books", f"interest in fund {payload.get('fund', 0)}, which has no persons' accounts")
            return
        if legs and legs[0][0].fund is not fund:
            other = legs[0][0].fund.number
            self.fault(sequence, "books", f"interest in fund {fund.number} moves money of fund {other}")
        try:
            first, last = interest_year(fund.family, year)
        except ValueError:
            self.fault(sequence, "period", f"there is no interest year {year}")
            return
        if self.books.day < last:
            self.fault(sequence, "period", f"interest of {year}, which ends on day {last}, on day {self.books.day}")
        rate, method = payload.get("rate_ppm", 0), payload.get("method", 0)
        self.interest_terms(sequence, fund, rate, method)
        due = {}
        for account, line in self.persons_of(sequence, fund, payload.get("lines", ()), is_open=False):
            due[account] = line.get("interest_minor", 0)
            if year <= self.credited.get(account, year - 1):
                after = f"after that for {self.credited[account]}"
                self.fault(sequence, "books", f"interest of account {account.number} for {year} {after}")
                continue
            self.credited[account] = year
            basis = interest_basis(method, self.changes.get(account, ()), first, last)
            self.interest_of(sequence, account, line, basis, rate, 1 if method == OPENING_BALANCE else 360)
        self.expect(sequence, "books", f"interest of {year}", due, moved(legs, PERSONS, False))

    def interest_of(self, sequence, account, line, basis, rate, days):
        """One person's interest: of the basis that the legs make, which is not the one that the event states."""
        stated, interest = line.get("basis", 0), line.get("interest_minor", 0)
        what = f"interest of account {account.number}"
        if stated != basis:
            self.fault(sequence, "books", f"{what} is of {stated}, its changes make {basis}")
        # What was taken out with an earlier date than it was paid in may make less than nothing: then none is due.
        due = half_up(max(basis, 0) * rate, days * MILLION)
        if interest != due:
            self.fault(sequence, "books", f"{what} is {interest}, {due} is due")

    def interest_terms(self, sequence, fund, rate, method):
        """Rate and method are the policy's."""
        self.names_version(sequence, fund)
        due = self.rate(sequence, fund, PERSONAL_INTEREST, "interest")
        if rate != due:
            self.fault(sequence, "books", f"interest at {rate} parts per million, the policy's rate is {due}")
        if method not in (OPENING_BALANCE, DAY_PRODUCT) or method != self.terms_of(fund).method:
            self.fault(sequence, "books", f"interest by method {method}, the policy's is {self.terms_of(fund).method}")

    def posted(self, event_type, payload, legs):
        """Remembers how personal accounts changed, and from which day on that earns interest.

        It is the event's business day; but a year's interest, whenever credited, is there when the next one begins.
        """
        fund, day = legs[0][0].fund, self.books.day
        if event_type == "InterestCredited":
            try:
                day = interest_year(fund.family, payload.get("year", 0))[1]
            except ValueError:
                pass  # found above
        for account, _, amount in legs:
            if account.kind in PERSONS:
                self.changes.setdefault(account, []).append((day, -amount))

    # -- Housing loans and surplus

    def loan_issued(self, sequence, payload, legs, _flows):
        """A loan starts, at the policy's rate."""
        self.one_leg_each(sequence, "LoanIssued", legs)
        account = self.person_of(sequence, payload, legs) if legs else None
        if account is None:
            return
        self.names_version(sequence, account.fund)
        loan_id, rate = payload.get("loan_id", ""), payload.get("rate_ppm", 0)
        months, instalment = payload.get("months", 0), payload.get("instalment_minor", 0)
        due = self.rate(sequence, account.fund, LOAN_INTEREST, "loans")
        if rate != due:
            says = f"at {rate} parts per million, the policy's rate is {due}"
            self.fault(sequence, "payment", f"loan {loan_id!r} {says}")
        if not 1 <= months <= MONTHS_MAX:
            self.fault(sequence, "payment", f"loan {loan_id!r} for {months} months")
        if instalment <= 0:
            self.fault(sequence, "payment", f"loan {loan_id!r} with an instalment of {instalment}")
        if not loan_id or loan_id in self.loans:
            self.fault(sequence, "payment", f"loan {loan_id!r} exists" if loan_id else "no loan_id")
        else:
            self.loans[loan_id] = Loan(account.fund, rate, sum(moved(legs, (LOAN,), True).values()), self.books.day)

    def loan_repaid(self, sequence, payload, legs, _flows):
        """Interest of each month since the last repayment on what is owed, and of what is owed the rest."""
        self.one_leg_each(sequence, "LoanRepaid", legs)
        loan_id, period = payload.get("loan_id", ""), payload.get("period", 0)
        loan = self.loans.get(loan_id)
        if loan is None:
            self.fault(sequence, "payment", f"repayment of unknown loan {loan_id!r}")
            return
        if legs and legs[0][0].fund is not loan.fund:
            self.fault(sequence, "payment", f"loan {loan_id!r} is of fund {loan.fund.number}")
            return
        self.month(sequence, "payment", period)
        if loan.repaid_through is not None and period <= loan.repaid_through:
            self.fault(sequence, "payment", f"loan {loan_id!r} repaid for {period} after {loan.repaid_through}")
        interest, principal = (sum(moved(legs, (kind,), False).values()) for kind in (SURPLUS, LOAN))
        since = loan.issued if loan.repaid_through is None else loan.repaid_through
        months = max(1, (period // 100 - since // 100) * 12 + period % 100 - since % 100)
        due = half_up(loan.owed * loan.rate * months, 12 * MILLION)
        if interest != due:
            self.fault(sequence, "payment", f"loan {loan_id!r}: interest of {interest}, {due} is due")
        if not 0 < principal <= loan.owed:
            self.fault(sequence, "payment", f"loan {loan_id!r}: {principal} repaid, {loan.owed} are owed")
        loan.owed -= principal
        loan.repaid_through = max(period, period if loan.repaid_through is None else loan.repaid_through)

    def surplus_distributed(self, sequence, _payload, legs, _flows):
        """By the policy's split (住房公积金管理条例§29)."""
        self.one_leg_each(sequence, "SurplusDistributed", legs)
        if not legs:
            return
        shares = self.split_accounts(sequence, legs[0][0].fund, SURPLUS_SPLIT)
        if shares is not None:
            accounts, weights = shares
            amount = sum(moved(legs, (SURPLUS,), True).values())
            due = above_zero(accounts, split(amount, weights))
            self.expect(sequence, "books", "surplus", due, moved(legs, DISTRIBUTED, False))
