//! Funds and lots: what money is for, and by which rules it moves.

use super::account::AccountKind as Kind;
use super::ids::{
    Code, DisplayName, DocumentDigest, DocumentNumber, FundId, FundNumber, IssuerId, LegalBasis, LotId, LotNumber,
    PolicyId, Sequence,
};
use super::numbered::numbered;
use super::policy::PolicyTerms;
use super::profile::FundProfile;
use super::time::{Day, Period};

numbered! {
    /// Family of a fund: which rules apply to it.
    FundFamily {
        /// Special (earmarked) funds, 专项资金.
        Special = 1, "SPECIAL";
        /// Department budgets, 部门预算: by the same rules of authority and lots.
        DepartmentBudget = 2, "DEPARTMENT_BUDGET";
        /// Government investment, 政府投资: every payment counts against its project's estimate.
        Investment = 3, "INVESTMENT";
        /// Non-tax revenue, 非税收入.
        Nontax = 4, "NONTAX";
        /// Social insurance, 社会保险基金.
        SocialInsurance = 5, "SOCIAL_INSURANCE";
        /// Housing provident fund, 住房公积金.
        HousingProvident = 6, "HOUSING_PROVIDENT";
    }
}

numbered! {
    /// What a fund is for, within its family.
    Scheme {
        /// Grant, 专项补助.
        Grant = 1, "GRANT";
        /// Poverty alleviation, 扶贫.
        PovertyAlleviation = 2, "POVERTY_ALLEVIATION";
        /// Relief of disasters and hardship, 救灾救助.
        Relief = 3, "RELIEF";
        /// Compulsory education, 义务教育.
        Education = 4, "EDUCATION";
        /// Donations, bound by the donor's intent, 捐赠.
        Donation = 5, "DONATION";
        /// Proceeds of bonds, 专项债券.
        Bond = 6, "BOND";
        /// Pension of enterprise employees, 企业职工基本养老保险.
        EmployeePension = 11, "EMPLOYEE_PENSION";
        /// Pension of residents, 城乡居民基本养老保险.
        ResidentPension = 12, "RESIDENT_PENSION";
        /// Pension of public institutions, 机关事业单位基本养老保险.
        GovernmentPension = 13, "GOVERNMENT_PENSION";
        /// Medical insurance of employees, with maternity, 职工基本医疗保险.
        EmployeeMedical = 14, "EMPLOYEE_MEDICAL";
        /// Medical insurance of residents, 城乡居民基本医疗保险.
        ResidentMedical = 15, "RESIDENT_MEDICAL";
        /// Unemployment, 失业保险.
        Unemployment = 16, "UNEMPLOYMENT";
        /// Work injury, 工伤保险.
        WorkInjury = 17, "WORK_INJURY";
    }
}

impl Scheme {
    const fn is_social_insurance(self) -> bool {
        self.number() >= Self::EmployeePension.number()
    }
}

impl FundFamily {
    /// Whether funds of the family may have this scheme: social insurance has one each (社会保险法§64), special funds may have
    /// one.
    pub fn allows_scheme(self, scheme: Option<Scheme>) -> bool {
        match self {
            Self::SocialInsurance => scheme.is_some_and(Scheme::is_social_insurance),
            Self::Special => scheme.is_none_or(|scheme| !scheme.is_social_insurance()),
            Self::DepartmentBudget | Self::Investment | Self::Nontax | Self::HousingProvident => scheme.is_none(),
        }
    }

    /// Whether funds of the family may have accounts of this kind (DOMAIN: legality matrix): what a fund has no account for, it
    /// cannot do.
    pub const fn allows_kind(self, kind: Kind) -> bool {
        match kind {
            Kind::AuthoritySource
            | Kind::AuthorityUnallocated
            | Kind::AuthorityUnit
            | Kind::AuthorityPlan
            | Kind::AuthorityCommitted
            | Kind::AuthorityFrozen
            | Kind::AuthorityUsed
            | Kind::AuthorityCarry
            | Kind::AuthorityRecalled
            | Kind::FundLot
            | Kind::Clearing => self.has_authority(),
            Kind::Treasury => self.has_authority() || matches!(self, Self::Nontax),
            Kind::NontaxPending | Kind::NontaxShare => matches!(self, Self::Nontax),
            Kind::PayableUpper | Kind::PayableLower => matches!(self, Self::Nontax | Self::SocialInsurance),
            Kind::FiscalSpecial | Kind::Income | Kind::Payout | Kind::Pool | Kind::Personal => {
                matches!(self, Self::SocialInsurance)
            }
            Kind::Bond => matches!(self, Self::SocialInsurance | Self::HousingProvident),
            Kind::HousingDeposit
            | Kind::HousingSurplusDeposit
            | Kind::Loan
            | Kind::HousingPersonal
            | Kind::Surplus
            | Kind::RiskReserve
            | Kind::ManagementFeePayable
            | Kind::LowRentHousing => matches!(self, Self::HousingProvident),
        }
    }

    const fn has_authority(self) -> bool {
        matches!(self, Self::Special | Self::DepartmentBudget | Self::Investment)
    }
}

/// Currency of a fund: every amount of the fund is in its minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    /// ISO 4217 code, three capital letters.
    pub code: [u8; 3],
    /// Decimal places of the minor unit, 0 to 4.
    pub exponent: u8,
}

impl Currency {
    /// The code as text.
    pub fn code_str(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("???")
    }
}

/// What a fund is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundDefinition {
    /// Name in the API.
    pub fund_id: FundId,
    /// Display name.
    pub name: DisplayName,
    /// Family.
    pub family: FundFamily,
    /// Currency.
    pub currency: Currency,
    /// Purpose codes allowed; empty means any.
    pub purposes: Vec<Code>,
    /// Economic codes allowed; empty means any.
    pub economic_codes: Vec<Code>,
    /// Policy that governs it; `None` means the built-in defaults.
    pub policy_id: Option<PolicyId>,
    /// Legal basis.
    pub legal_basis: LegalBasis,
    /// Scheme within the family.
    pub scheme: Option<Scheme>,
    /// Funds whose contributions and benefits exclude those of this one for the same person and month.
    pub exclusive_with: Vec<FundId>,
    /// Who runs it, for whom, and how long its money lasts.
    pub profile: FundProfile,
}

/// A fund as the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fund {
    /// What it is.
    pub definition: FundDefinition,
    /// Last day closed by a day close.
    pub closed_day: Option<Day>,
    /// Last month closed.
    pub closed_period: Option<Period>,
    /// Whether anything but opening balances has moved.
    pub has_moved: bool,
    /// The last event that moved an account of it; 0 for none.
    pub revision: Sequence,
}

impl Fund {
    /// First business date that may still be posted to, if any day is closed.
    pub fn first_open_day(&self) -> Option<Day> {
        let by_period = self.closed_period.map(Period::last_day);
        self.closed_day.max(by_period).map(Day::next)
    }
}

/// What a lot is: an appropriation with its own purpose, document and expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotDefinition {
    /// Name in the API.
    pub lot_id: LotId,
    /// Who issued it.
    pub issuer_id: IssuerId,
    /// Authority document number, unique per issuer.
    pub document_number: DocumentNumber,
    /// SHA-256 of the document.
    pub document_sha256: DocumentDigest,
    /// Last day it may be spent on; `None` means no expiry.
    pub expires_on: Option<Day>,
    /// Purpose codes; empty means those of the fund.
    pub purposes: Vec<Code>,
    /// Lot of the upper level it came from, possibly in another ledger.
    pub parent_lot_id: Option<LotId>,
}

/// A lot as an event opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotOpened {
    /// Its number.
    pub lot: LotNumber,
    /// Its fund.
    pub fund: FundNumber,
    /// What it is.
    pub definition: LotDefinition,
}

/// Where a lot stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LotStage {
    /// In its first budget year.
    Open,
    /// Carried over at the end of a year.
    Carried {
        /// The year that ended.
        year: i32,
    },
    /// Recalled: returns go upward.
    Lapsed,
}

/// A lot as the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its fund.
    pub fund: FundNumber,
    /// What it is.
    pub definition: LotDefinition,
    /// Where it stands.
    pub stage: LotStage,
    /// How many live freezes name it.
    pub freezes: u32,
}

impl Lot {
    /// Whether money of it may still be spent on that day.
    pub fn is_expired(&self, on: Day) -> bool {
        self.definition.expires_on.is_some_and(|last| on > last)
    }

    /// Whether it may be spent on that purpose. A lot's own purposes narrow those of the fund down.
    pub fn allows_purpose(&self, fund: &Fund, purpose: &Code) -> bool {
        let allowed =
            if self.definition.purposes.is_empty() { &fund.definition.purposes } else { &self.definition.purposes };
        allowed.is_empty() || allowed.contains(purpose)
    }
}

/// Whether a payment needs an approved plan (预算法实施条例§57 asks for one; some places have dropped the step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// A payment draws on a plan, a commitment or the carry account only.
    Required,
    /// A payment may draw on a unit's authority directly.
    Optional,
}

/// From which amount on how many checkers are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckerTier {
    /// Minor units, from 0.
    pub from_minor: i64,
    /// How many, 0 to 8.
    pub checkers: u32,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// 1, 2, 3, …
    pub version: u32,
    /// First day it applies to.
    pub effective_from: Day,
    /// Whether a plan is needed.
    pub plan_step: PlanStep,
    /// Ascending by amount; empty means one checker from 0.
    pub checker_tiers: Vec<CheckerTier>,
    /// SHA-256 of the policy document.
    pub document_sha256: DocumentDigest,
    /// Whether checkers count only by their signatures.
    pub signed_approvals: bool,
    /// Rates, shares and what may be paid.
    pub terms: PolicyTerms,
}

impl PolicyVersion {
    /// How many checkers an amount needs. A command without an amount asks with 0.
    pub fn checkers_needed(&self, amount_minor: i64) -> u32 {
        if self.checker_tiers.is_empty() {
            return CHECKERS_DEFAULT;
        }
        self.checker_tiers.iter().rev().find(|tier| tier.from_minor <= amount_minor).map_or(0, |tier| tier.checkers)
    }
}

/// Checkers needed where no policy says otherwise.
pub const CHECKERS_DEFAULT: u32 = 1;
