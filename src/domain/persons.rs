//! Persons: their contributions, benefits, interest and eligibility, in social insurance and the housing provident fund; and what
//! the ledger remembers of each.

use super::fund::FundFamily;
use super::ids::{
    AccountId, AccountNumber, BankReference, Code, DocumentNumber, FundId, FundNumber, PayeeRef, PaymentId, ReasonCode,
    Sequence,
};
use super::money::{self, Amount, AmountOrZero};
use super::numbered::numbered;
use super::policy::InterestMethod;
use super::time::{Day, Period};

numbered! {
    /// What decides whether a person may be paid.
    EligibilityFact {
        /// Died.
        Death = 1, "DEATH";
        /// Serves a sentence.
        Imprisoned = 2, "IMPRISONED";
        /// Has work.
        Employed = 3, "EMPLOYED";
        /// Left the scheme.
        Exit = 4, "EXIT";
        /// Moved away.
        Moved = 5, "MOVED";
        /// Whatever was recorded before holds no more.
        Restored = 6, "RESTORED";
    }
}

numbered! {
    /// Kind of a contribution.
    ContributionKind {
        /// For its month, 汇缴: once a person and month.
        Regular = 1, "REGULAR";
        /// Later, or in addition, 补缴.
        Back = 2, "BACK";
    }
}

numbered! {
    /// Where income of a fund comes from.
    IncomeSource {
        /// Subsidy by a budget, 财政补贴.
        Subsidy = 1, "SUBSIDY";
        /// Interest on deposits, bonds or loans.
        Interest = 2, "INTEREST";
        /// Any other.
        Other = 3, "OTHER";
    }
}

numbered! {
    /// Which way an insurance relation moves.
    TransferDirection {
        /// From another agency.
        In = 1, "IN";
        /// To another agency.
        Out = 2, "OUT";
    }
}

/// One person's contribution, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Whose.
    pub person: PayeeRef,
    /// Base, 缴费基数.
    pub base: AmountOrZero,
    /// Employer's part, where the policy has no rate for it.
    pub employer: AmountOrZero,
    /// Person's part, where the policy has no rate for it.
    pub personal: AmountOrZero,
}

/// Contributions of an employer's staff, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveContribution {
    /// Fund.
    pub fund_id: FundId,
    /// Who pays.
    pub employer: PayeeRef,
    /// Month they are for.
    pub period: Period,
    /// Kind.
    pub kind: ContributionKind,
    /// Persons.
    pub contributions: Vec<Contribution>,
    /// Days late.
    pub late_days: u32,
    /// What arrived.
    pub amount: Amount,
    /// The bank's reference.
    pub bank_reference: BankReference,
}

/// A benefit, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayBenefit {
    /// Voucher number.
    pub payment_id: PaymentId,
    /// Fund.
    pub fund_id: FundId,
    /// The insured person.
    pub person: PayeeRef,
    /// Who gets it, where it is somebody else.
    pub payee: Option<PayeeRef>,
    /// Item of the policy.
    pub item_code: Code,
    /// Month it is for.
    pub period: Period,
    /// From the pool.
    pub pool: AmountOrZero,
    /// From the personal account.
    pub personal: AmountOrZero,
}

/// A relation transfer, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRelation {
    /// Fund.
    pub fund_id: FundId,
    /// Whose relation.
    pub person: PayeeRef,
    /// Which way.
    pub direction: TransferDirection,
    /// Contribution wages.
    pub wage_base: AmountOrZero,
    /// What comes in for the personal account.
    pub personal: AmountOrZero,
    /// What moves in all.
    pub amount: Amount,
    /// Bank account.
    pub account_id: AccountId,
    /// The other agency.
    pub peer_id: Code,
    /// The bank's reference.
    pub bank_reference: BankReference,
}

/// What a command about persons, or about the money that stands behind their accounts, asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in ledger.proto, documented there")]
pub enum PersonsOrder {
    RecordEligibility {
        person: PayeeRef,
        fact: EligibilityFact,
        effective_on: Day,
        fund_id: Option<FundId>,
        source: Code,
    },
    ReceiveContribution(ReceiveContribution),
    ReceiveIncome {
        account_id: AccountId,
        source: IncomeSource,
        amount: Amount,
        bank_reference: BankReference,
        document_number: Option<DocumentNumber>,
    },
    MoveFunds {
        from: AccountId,
        to: AccountId,
        amount: Amount,
        bank_reference: BankReference,
        document_number: Option<DocumentNumber>,
    },
    PayBenefit(PayBenefit),
    RecoverBenefit {
        payment_id: PaymentId,
        amount: Amount,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
    TransferRelation(TransferRelation),
    CreditInterest {
        fund_id: FundId,
        year: i32,
        account_ids: Vec<AccountId>,
    },
}

/// One person's contribution, as it was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContributionLine {
    /// Personal account.
    pub account: AccountNumber,
    /// Base, minor units.
    pub base_minor: i64,
    /// Employer's part, minor units.
    pub employer_minor: i64,
    /// Person's part to their own account, minor units.
    pub personal_minor: i64,
    /// Person's part to the pool, minor units.
    pub personal_pooled_minor: i64,
}

/// One account's interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterestLine {
    /// Personal account.
    pub account: AccountNumber,
    /// What it was computed of: minor units, or minor units times days.
    pub basis: i64,
    /// Interest, minor units.
    pub interest_minor: i64,
}

/// What happened to persons, or to the money that stands behind their accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in event.proto, documented there")]
pub enum PersonsEvent {
    EligibilityRecorded {
        person: PayeeRef,
        fact: EligibilityFact,
        effective_on: Day,
        fund: FundNumber,
        source: Code,
    },
    ContributionReceived {
        bank_reference: BankReference,
        employer: PayeeRef,
        period: Period,
        kind: ContributionKind,
        lines: Vec<ContributionLine>,
        late_days: u32,
        late_fee_minor: i64,
    },
    IncomeReceived {
        source: IncomeSource,
        bank_reference: BankReference,
        document_number: Option<DocumentNumber>,
    },
    FundsMoved {
        bank_reference: BankReference,
        document_number: Option<DocumentNumber>,
    },
    BenefitPaid {
        payment_id: PaymentId,
        account: AccountNumber,
        item_code: Code,
        period: Period,
        payee: PayeeRef,
    },
    BenefitRecovered {
        payment_id: PaymentId,
        original: Sequence,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
    RelationTransferred {
        direction: TransferDirection,
        account: AccountNumber,
        wage_base_minor: i64,
        peer_id: Code,
        bank_reference: BankReference,
    },
    InterestCredited {
        fund: FundNumber,
        year: i32,
        rate_ppm: u32,
        method: InterestMethod,
        lines: Vec<InterestLine>,
    },
}

impl PersonsOrder {
    /// Name of the command, as in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RecordEligibility { .. } => "record_eligibility",
            Self::ReceiveContribution(_) => "receive_contribution",
            Self::ReceiveIncome { .. } => "receive_income",
            Self::MoveFunds { .. } => "move_funds",
            Self::PayBenefit(_) => "pay_benefit",
            Self::RecoverBenefit { .. } => "recover_benefit",
            Self::TransferRelation(_) => "transfer_relation",
            Self::CreditInterest { .. } => "credit_interest",
        }
    }

    /// The amount it names, minor units; 0 where it names none.
    pub const fn amount_minor(&self) -> i64 {
        match self {
            Self::ReceiveContribution(order) => order.amount.minor(),
            Self::PayBenefit(order) => money::add(order.pool.minor(), order.personal.minor()),
            Self::TransferRelation(order) => order.amount.minor(),
            Self::ReceiveIncome { amount, .. }
            | Self::MoveFunds { amount, .. }
            | Self::RecoverBenefit { amount, .. } => amount.minor(),
            Self::RecordEligibility { .. } | Self::CreditInterest { .. } => 0,
        }
    }
}

impl PersonsEvent {
    /// The bank's reference, where it has one.
    pub const fn bank_reference(&self) -> Option<&BankReference> {
        match self {
            Self::ContributionReceived { bank_reference, .. }
            | Self::IncomeReceived { bank_reference, .. }
            | Self::FundsMoved { bank_reference, .. }
            | Self::BenefitRecovered { bank_reference, .. }
            | Self::RelationTransferred { bank_reference, .. } => Some(bank_reference),
            Self::EligibilityRecorded { .. } | Self::BenefitPaid { .. } | Self::InterestCredited { .. } => None,
        }
    }
}

/// A set of months, as ranges that neither touch nor overlap: a life of contributions is mostly one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Months {
    pub(crate) ranges: Vec<(i32, i32)>,
}

impl Months {
    fn index(period: Period) -> i32 {
        let number = period.number();
        number.div_euclid(100).saturating_mul(12).saturating_add(number.rem_euclid(100))
    }

    /// Whether a month is in it.
    pub fn contains(&self, period: Period) -> bool {
        let month = Self::index(period);
        let at = self.ranges.partition_point(|(_, last)| *last < month);
        self.ranges.get(at).is_some_and(|(first, _)| *first <= month)
    }

    pub(super) fn insert(&mut self, period: Period) {
        if self.contains(period) {
            return;
        }
        let month = Self::index(period);
        let at = self.ranges.partition_point(|(_, last)| *last < month);
        self.ranges.insert(at, (month, month));
        for at in [at.saturating_add(1), at] {
            let Some(before) = at.checked_sub(1) else { continue };
            if let (Some((first, end)), Some((start, last))) =
                (self.ranges.get(before).copied(), self.ranges.get(at).copied())
                && end.saturating_add(1) == start
            {
                self.ranges.splice(before..=at, [(first, last)]);
            }
        }
    }

    pub(super) fn remove(&mut self, period: Period) {
        if !self.contains(period) {
            return;
        }
        let month = Self::index(period);
        let at = self.ranges.partition_point(|(_, last)| *last < month);
        let Some((first, last)) = self.ranges.get(at).copied() else { return };
        let left = (first < month).then_some((first, month.saturating_sub(1)));
        let right = (month < last).then_some((month.saturating_add(1), last));
        self.ranges.splice(at..=at, left.into_iter().chain(right));
    }

    /// Whether no month is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

/// When the year ends that interest is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterestCalendar {
    /// Last month of the year.
    last_month: i32,
}

impl InterestCalendar {
    /// 30 June in the housing provident fund (住房公积金管理条例§21 with the central bank's rules of settlement), else 31 December.
    pub const fn of(family: FundFamily) -> Self {
        match family {
            FundFamily::HousingProvident => Self { last_month: 6 },
            FundFamily::Special
            | FundFamily::DepartmentBudget
            | FundFamily::Investment
            | FundFamily::Nontax
            | FundFamily::SocialInsurance => Self { last_month: 12 },
        }
    }

    /// The year a day is in.
    pub fn year_of(self, day: Day) -> i32 {
        let (year, month, _) = day.civil();
        if month > self.last_month { year.saturating_add(1) } else { year }
    }

    /// The last day of a year.
    pub fn last_day(self, year: i32) -> Day {
        Period::from_number(year.saturating_mul(100).saturating_add(self.last_month)).last_day()
    }

    fn first_day(self, year: i32) -> Day {
        self.last_day(year.saturating_sub(1)).next()
    }

    /// Days from a day to the end of a year, both counted; all of the year's where the day is before it.
    fn days_left(self, year: i32, from: Day) -> i64 {
        let from = from.max(self.first_day(year));
        i64::from(self.last_day(year).days()).saturating_sub(from.days().into()).saturating_add(1)
    }
}

/// What interest of a year will be computed of. Each change counts from its own day on, so that the order in which changes are booked
/// does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterestYear {
    /// The year.
    pub year: i32,
    /// Balance at its beginning, minor units.
    pub opening_minor: i64,
    /// Sum over its days of each day's closing balance, minor units times days, as far as it is known.
    pub product: i64,
}

impl InterestYear {
    /// The basis of a method.
    pub const fn basis(&self, method: InterestMethod) -> i64 {
        match method {
            InterestMethod::OpeningBalance => self.opening_minor,
            InterestMethod::DayProduct => self.product,
        }
    }
}

/// What is remembered of a person's account besides its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// Whose.
    pub person: PayeeRef,
    /// The last year whose interest was credited.
    pub credited_through: Option<i32>,
    /// Years that interest is due for, ascending without gaps.
    pub years: Vec<InterestYear>,
}

impl Personal {
    pub(super) const fn new(person: PayeeRef) -> Self {
        Self { person, credited_through: None, years: Vec::new() }
    }

    /// Takes a change of the balance into account; `held_minor` is the balance before it.
    pub(super) fn change(&mut self, calendar: InterestCalendar, held_minor: i64, day: Day, change_minor: i64) {
        let year = calendar.year_of(day);
        let open_from = self.credited_through.map_or(year, |credited| year.max(credited.saturating_add(1)));
        // Before its first change an account held nothing; after its last one, what it holds now.
        while let Some(first) = self.years.first().map(|first| first.year).filter(|first| open_from < *first) {
            self.years.insert(0, InterestYear { year: first.saturating_sub(1), opening_minor: 0, product: 0 });
        }
        loop {
            let next = self.years.last().map_or(open_from, |last| last.year.saturating_add(1));
            if next > open_from {
                break;
            }
            self.years.push(Self::quiet_year(calendar, next, held_minor));
        }
        for open in self.years.iter_mut().filter(|open| open.year >= open_from) {
            if open.year > year {
                open.opening_minor = money::add(open.opening_minor, change_minor);
            }
            let weighed = change_minor.saturating_mul(calendar.days_left(open.year, day));
            open.product = money::add(open.product, weighed);
        }
    }

    /// A year, as far as it is known.
    pub(super) fn year(&self, calendar: InterestCalendar, year: i32, held_minor: i64) -> InterestYear {
        if let Some(open) = self.years.iter().find(|open| open.year == year) {
            return *open;
        }
        if self.years.first().is_some_and(|first| year < first.year) {
            return InterestYear { year, opening_minor: 0, product: 0 };
        }
        Self::quiet_year(calendar, year, held_minor)
    }

    /// A year without a change.
    fn quiet_year(calendar: InterestCalendar, year: i32, held_minor: i64) -> InterestYear {
        let product = held_minor.saturating_mul(calendar.days_left(year, calendar.first_day(year)));
        InterestYear { year, opening_minor: held_minor, product }
    }

    /// A year's interest is credited: it and those before it are settled.
    pub(super) fn settle(&mut self, year: i32) {
        self.credited_through = Some(year);
        self.years.retain(|open| open.year > year);
    }
}

/// A benefit or a withdrawal that was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benefit {
    /// Its event.
    pub sequence: Sequence,
    /// The personal account it was paid for.
    pub account: AccountNumber,
    /// The bank account that paid it.
    pub cash: AccountNumber,
    /// Item and month, where they count against a second one.
    pub entitlement: Option<(Code, Period)>,
    /// What each claim still lacks of it, minor units, the pool first.
    pub claims: Vec<(AccountNumber, i64)>,
}

impl Benefit {
    /// What has not come back.
    pub fn left_minor(&self) -> i64 {
        self.claims.iter().fold(0, |sum, (_, left)| money::add(sum, *left))
    }
}

/// A fact about a person, as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eligibility {
    /// The fact.
    pub fact: EligibilityFact,
    /// From when on.
    pub effective_on: Day,
    /// The fund it is about; number 0 means all.
    pub fund: FundNumber,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(number: i32) -> Period {
        Period::from_number(number)
    }

    #[test]
    fn months_are_kept_as_ranges() {
        let mut months = Months::default();
        for number in [202_601, 202_512, 202_603, 202_602, 202_701] {
            months.insert(period(number));
            months.insert(period(number));
        }
        assert_eq!(months.ranges.len(), 2, "{months:?}");
        assert!(months.contains(period(202_602)) && !months.contains(period(202_604)));
        months.remove(period(202_601));
        assert_eq!(months.ranges.len(), 3, "{months:?}");
        assert!(!months.contains(period(202_601)) && months.contains(period(202_512)));
        for number in [202_512, 202_602, 202_603, 202_701] {
            months.remove(period(number));
        }
        assert!(months.is_empty());
    }

    /// The product counted day by day, as the rule says it.
    fn by_days(calendar: InterestCalendar, year: i32, changes: &[(Day, i64)]) -> i64 {
        let (first, last) = (calendar.first_day(year).days(), calendar.last_day(year).days());
        (first..=last).fold(0, |sum, day| {
            let held: i64 = changes.iter().filter(|(on, _)| on.days() <= day).map(|(_, change)| change).sum();
            money::add(sum, held)
        })
    }

    #[test]
    fn products_are_those_of_each_day_whatever_the_order() {
        let day = |year, month, day| Day::new(year, month, day).unwrap();
        let changes = [
            (day(2026, 1, 20), 1_000_000),
            (day(2024, 7, 1), 36),
            (day(2027, 6, 30), -500),
            (day(2025, 6, 30), 7_777),
            (day(2029, 2, 28), 12),
        ];
        for calendar in
            [InterestCalendar::of(FundFamily::HousingProvident), InterestCalendar::of(FundFamily::SocialInsurance)]
        {
            for turn in 0..changes.len() {
                let mut turned = changes;
                turned.rotate_left(turn);
                let mut personal = Personal::new(PayeeRef([0; 16]));
                let mut held = 0;
                for (on, change) in turned {
                    personal.change(calendar, held, on, change);
                    held += change;
                }
                for year in 2023..2032 {
                    let found = personal.year(calendar, year, held).product;
                    assert_eq!(found, by_days(calendar, year, &changes), "{year} after {turn}");
                }
            }
        }
    }
}
