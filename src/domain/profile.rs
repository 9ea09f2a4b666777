//! A fund's profile: who runs it, where, whom it is for, how long its money lasts, and the three marks that directly-allocated
//! money carries from end to end (直达资金).

use super::ids::Code;
use super::numbered::numbered;
use super::time::Day;

numbered! {
    /// Level of government that runs a fund, 级次.
    GovernmentLevel {
        /// 中央.
        Central = 1, "CENTRAL";
        /// 省.
        Provincial = 2, "PROVINCIAL";
        /// 市.
        Municipal = 3, "MUNICIPAL";
        /// 县.
        County = 4, "COUNTY";
        /// 乡镇.
        Township = 5, "TOWNSHIP";
    }
}

numbered! {
    /// What a payee is.
    RecipientKind {
        /// A person or household, 个人或农户.
        Person = 1, "PERSON";
        /// An enterprise, 企业.
        Enterprise = 2, "ENTERPRISE";
        /// A public institution or administrative unit, 行政事业单位.
        PublicInstitution = 3, "PUBLIC_INSTITUTION";
        /// A social organization or a village's collective, 社会组织、村集体.
        SocialOrganization = 4, "SOCIAL_ORGANIZATION";
    }
}

numbered! {
    /// What becomes of a lot that is unspent at the end of a year.
    CarryRule {
        /// Carried over once, recalled when unspent for two years running (预算法§42).
        TwoYears = 1, "TWO_YEARS";
        /// Never carried over: it may be spent until 31 December, and is recalled then.
        YearEnd = 2, "YEAR_END";
        /// Carried over from year to year until it is spent, or its own last day comes: no lapse of its own.
        UntilSpent = 3, "UNTIL_SPENT";
    }
}

/// What is said of a fund beyond its rules of purpose. The default says nothing: statutory carry-over, any recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FundProfile {
    /// Who runs it.
    pub level: Option<GovernmentLevel>,
    /// Administrative division, 行政区划代码.
    pub region_code: Option<Code>,
    /// What its payees may be; empty means anything.
    pub recipient_kinds: Vec<RecipientKind>,
    /// What becomes of an unspent lot; `None` means [`CarryRule::TwoYears`].
    pub carry_rule: Option<CarryRule>,
    /// 直达资金标识: directly allocated from the centre to where it is spent.
    pub directly_allocated: bool,
    /// 是否补贴到人到企业: paid to persons or enterprises.
    pub subsidizes_recipients: bool,
    /// 是否直达资金及其配套: with the matching money of the levels between.
    pub includes_matching: bool,
}

impl FundProfile {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a payee of this kind may be paid; one of no stated kind only where any may be.
    pub fn allows_recipient(&self, kind: Option<RecipientKind>) -> bool {
        self.recipient_kinds.is_empty() || kind.is_some_and(|kind| self.recipient_kinds.contains(&kind))
    }

    /// What becomes of an unspent lot.
    pub fn carry_rule(&self) -> CarryRule {
        self.carry_rule.unwrap_or(CarryRule::TwoYears)
    }

    /// The last day on which a lot opened on this day may be spent at all; `None` where the rule sets none.
    pub fn last_day_of_lot(&self, opened: Day) -> Option<Day> {
        match self.carry_rule() {
            CarryRule::YearEnd => Some(opened.last_of_year()),
            CarryRule::TwoYears | CarryRule::UntilSpent => None,
        }
    }
}
