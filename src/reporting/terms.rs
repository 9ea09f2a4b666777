//! Terms: the words of fixed lists that stand in tables. A file has their labels in its language, the catalogue's `term-`
//! and the code; digests and programs know the code.

use crate::messages::{self, Language};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind, ClockKind, FundFamily, FundScheme};

/// A line about a fund.
pub const FUND: &str = "FUND";
/// A line about a function of government.
pub const FUNCTION: &str = "FUNCTION";
/// A line about a project.
pub const PROJECT: &str = "PROJECT";
/// A line that sums the others of its currency.
pub const TOTAL: &str = "TOTAL";
/// Money was paid.
pub const PAID: &str = "PAID";
/// What had come back was paid again.
pub const REISSUED: &str = "REISSUED";
/// Money came back.
pub const RETURNED: &str = "RETURNED";
/// An order was taken back before it was cleared.
pub const REVERSED: &str = "REVERSED";
/// Permission to spend.
pub const AUTHORITY: &str = "AUTHORITY";
/// Money itself.
pub const CASH: &str = "CASH";
/// Not of this fund.
pub const OUTSIDE: &str = "OUTSIDE";

/// A line about a unit.
pub const UNIT: &str = "UNIT";
/// A line about a balance.
pub const BALANCE: &str = "BALANCE";
/// A line about what moved.
pub const MOVEMENT: &str = "MOVEMENT";
/// Nothing moved it for a year.
pub const ONE_YEAR: &str = "ONE_YEAR";
/// Nothing moved it for two years.
pub const TWO_YEARS: &str = "TWO_YEARS";
/// A lot was opened.
pub const BUDGET_ISSUED: &str = "BudgetIssued";
/// A clock runs, and was due.
pub const OVERDUE: &str = "OVERDUE";
/// A clock was met, but late.
pub const MET_LATE: &str = "MET_LATE";
/// A finding that nobody answered.
pub const OPEN: &str = "OPEN";
/// A finding that was answered.
pub const EXPLAINED: &str = "EXPLAINED";
/// A finding that was put right.
pub const RECTIFIED: &str = "RECTIFIED";
/// A finding that an auditor closed.
pub const CLOSED: &str = "CLOSED";
/// Who made a command.
pub const MAKER: &str = "MAKER";
/// Who approved it.
pub const CHECKER: &str = "CHECKER";
/// Who took a matter first.
pub const FIRST_HANDLER: &str = "FIRST_HANDLER";
/// An approval by signature.
pub const SIGNED: &str = "SIGNED";
/// An approval that somebody said there was.
pub const NAMED: &str = "NAMED";
/// An item that a sample hit.
pub const SELECTED: &str = "SELECTED";
/// An item that no sample could have missed.
pub const CERTAIN: &str = "CERTAIN";
/// A line that sums a stratum.
pub const STRATUM: &str = "STRATUM";
/// A lot.
pub const LOT: &str = "LOT";
/// What money was paid for.
pub const PURPOSE: &str = "PURPOSE";

/// The terms of the auditor's tables, besides those of all.
const AUDIT: &[&str] = &[
    UNIT,
    BALANCE,
    MOVEMENT,
    ONE_YEAR,
    TWO_YEARS,
    OVERDUE,
    MET_LATE,
    OPEN,
    EXPLAINED,
    RECTIFIED,
    CLOSED,
    MAKER,
    CHECKER,
    FIRST_HANDLER,
    SIGNED,
    NAMED,
    SELECTED,
    CERTAIN,
    STRATUM,
    LOT,
    PURPOSE,
];

/// The terms of the lists that a server gives, besides those of the tables: how contractors are found, what goals are of, how
/// findings end, and whose, whom for and how long money is.
const LISTED: &[&str] = &[
    "OPEN_TENDER",
    "INVITED_TENDER",
    "COMPETITIVE_NEGOTIATION",
    "COMPETITIVE_CONSULTATION",
    "INQUIRY",
    "SINGLE_SOURCE",
    "FRAMEWORK",
    "OUTPUT",
    "OUTCOME",
    "SATISFACTION",
    "AT_LEAST",
    "AT_MOST",
    "EQUAL",
    "UNFOUNDED",
    "REFERRED",
    "CENTRAL",
    "PROVINCIAL",
    "MUNICIPAL",
    "COUNTY",
    "TOWNSHIP",
    "PERSON",
    "ENTERPRISE",
    "PUBLIC_INSTITUTION",
    "SOCIAL_ORGANIZATION",
    "CARRIED_TWO_YEARS",
    "YEAR_END",
    "UNTIL_SPENT",
];

fn short(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The code of a family.
pub fn family(family: FundFamily) -> &'static str {
    short(family.as_str_name(), "FUND_FAMILY_")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are called as in the API")]
/// The code of a scheme; empty where a fund has none.
pub fn scheme(scheme: FundScheme) -> &'static str {
    match scheme {
        FundScheme::Unspecified => "",
        // Bonds that a fund holds are a kind of account.
        FundScheme::Bond => "BOND_PROCEEDS",
        _ => short(scheme.as_str_name(), "FUND_SCHEME_"),
    }
}

/// The code of a kind of account.
pub fn account_kind(kind: AccountKind) -> &'static str {
    short(kind.as_str_name(), "ACCOUNT_KIND_")
}

/// The code of a kind of clock.
pub fn clock_kind(kind: ClockKind) -> &'static str {
    short(kind.as_str_name(), "CLOCK_KIND_")
}

macro_rules! events {
    ($($event:ident),* $(,)?) => {
        /// The code of what happened: the name of the event.
        pub const fn event(payload: &Payload) -> &'static str {
            match payload {
                $(Payload::$event(_) => stringify!($event),)*
            }
        }

        /// The names of all events.
        pub const EVENTS: &[&str] = &[$(stringify!($event)),*];
    };
}

events! {
    LedgerCreated, FundDefined, PolicySet, AccountOpened, OpeningBalance, BudgetIssued, BudgetAllocated, BudgetAdjusted,
    PlanApproved, Committed, CommitmentReleased, Frozen, Unfrozen, CashReceived, PaymentExecuted, Cleared, PaymentReturned,
    Reversed, DayClosed, PeriodClosed, CarriedForward, LapsedRecovered, TransactionPosted, EligibilityRecorded,
    AccountClosed, EstimateApproved, EntitlementDetermined, CommandRefused, CommandProposed, ProposalApproved,
    ProposalWithdrawn, ProposalExpired, RoleGranted, RoleRevoked, KeyRotated, PaymentReleased, LogKeyRotated,
    NontaxNoticed, NontaxCollected, NontaxSplit, NontaxRefunded, ContributionReceived, IncomeReceived, FundsMoved,
    BenefitPaid, BenefitRecovered, RelationTransferred, InterestCredited, HousingWithdrawn, LoanIssued, LoanRepaid,
    SurplusDistributed, Reconciled, Flagged, FindingExplained, FindingRectified, FindingClosed, MatterOpened, MatterClosed,
    Disclosed, PerformanceScored, GoalSet, OutputRecorded, TenderOpened, TenderAwarded, ContractRegistered, ContractAmended,
    ContractSettled, FinalAccountApproved, PeriodReopened, PersonalDataRestricted, PersonalDataReleased, PersonalDataErased,
    PersonalDataOpened, ComplaintFiled, ComplaintAccepted, ComplaintAnswered, ComplaintClosed,
}

/// What a term is called.
pub fn label(language: Language, code: &str) -> String {
    if code.is_empty() { String::new() } else { messages::text(language, &format!("term-{code}"), &[]) }
}

/// The code that a label stands for, among those of a language; `None` where it is no label.
pub fn code(language: Language, label: &str) -> Option<&'static str> {
    if label.is_empty() { Some("") } else { all().find(|code| self::label(language, code) == label) }
}

/// The codes of all terms.
pub fn all() -> impl Iterator<Item = &'static str> {
    let lines = [FUND, FUNCTION, PROJECT, TOTAL, PAID, REISSUED, RETURNED, REVERSED, AUTHORITY, CASH, OUTSIDE];
    let numbers = 1..=60;
    let families = numbers.clone().filter_map(|number| FundFamily::try_from(number).ok()).map(family);
    let schemes = numbers.clone().filter_map(|number| FundScheme::try_from(number).ok()).map(scheme);
    let clocks = numbers.clone().filter_map(|number| ClockKind::try_from(number).ok()).map(clock_kind);
    let kinds = numbers.filter_map(|number| AccountKind::try_from(number).ok()).map(account_kind);
    let listed = AUDIT.iter().chain(LISTED).copied();
    let fixed = lines.into_iter().chain(listed).chain(EVENTS.iter().copied());
    fixed.chain(families).chain(schemes).chain(kinds).chain(clocks)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::reporting::disclosure::Table;
    use crate::reporting::files::{table_title, title};

    const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];

    #[test]
    fn each_term_has_one_label_and_each_label_one_term() {
        let codes: Vec<&str> = all().filter(|code| !code.is_empty() && *code != "UNSPECIFIED").collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "a code stands for two terms");
        for language in LANGUAGES {
            let mut labels = BTreeMap::new();
            for code in &codes {
                let label = label(language, code);
                assert!(!label.starts_with("term-"), "{code} has no label in {language:?}");
                assert_eq!(super::code(language, &label), Some(*code), "{label} in {language:?}");
                if let Some(other) = labels.insert(label.clone(), *code) {
                    panic!("{label} is {code} and {other} in {language:?}");
                }
            }
        }
    }

    #[test]
    fn tables_and_columns_have_titles() {
        for (language, table) in LANGUAGES.into_iter().flat_map(|language| Table::ALL.map(|table| (language, table))) {
            assert!(!table_title(language, table.name()).starts_with("table-"), "{table:?} in {language:?}");
            for column in table.columns() {
                assert!(!title(language, column.id).starts_with("column-"), "{} in {language:?}", column.id);
            }
        }
    }
}
