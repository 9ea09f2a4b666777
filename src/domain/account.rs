//! Kinds of accounts: the kind fixes the book, the normal side and whether lots are tracked (DOMAIN: account kinds).

/// Which of the two books an account stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// Permission to spend, 指标账.
    Authority,
    /// Assets and claims, 资金账.
    Cash,
}

/// Which side increases an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalSide {
    /// Assets and the authority source.
    Debit,
    /// Claims and all other authority.
    Credit,
}

/// Whom an account of a kind belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The fund as a whole: one account a fund.
    Fund,
    /// A budget unit: one account a fund and unit.
    Unit,
    /// Either: the fund's own, and one a tier or level.
    FundOrUnit,
    /// A person: one account a scheme and person.
    Person,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $text:literal, $book:ident, $side:ident, $holder:ident, lots $lots:literal;)*) => {
        /// Kind of an account; the number is the one in the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AccountKind {$(
            $(#[$doc])*
            $kind = $number,
        )*}

        impl AccountKind {
            /// From its number in the log.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// Its number in the log.
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$kind => $number,)*
                }
            }

            /// Its name, as in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }

            /// Its book.
            pub const fn book(self) -> Book {
                match self {
                    $(Self::$kind => Book::$book,)*
                }
            }

            /// The side that increases it.
            pub const fn normal_side(self) -> NormalSide {
                match self {
                    $(Self::$kind => NormalSide::$side,)*
                }
            }

            /// Whom it belongs to.
            pub const fn holder(self) -> Holder {
                match self {
                    $(Self::$kind => Holder::$holder,)*
                }
            }

            /// Whether each leg names a lot and the balance is kept per lot.
            pub const fn tracks_lots(self) -> bool {
                match self {
                    $(Self::$kind => $lots,)*
                }
            }
        }
    };
}

kinds! {
    /// Contra account of all authority issued; may grow without limit.
    AuthoritySource = 1, "AUTHORITY_SOURCE", Authority, Debit, Fund, lots true;
    /// Not yet allocated to a unit, 待分指标.
    AuthorityUnallocated = 2, "AUTHORITY_UNALLOCATED", Authority, Credit, FundOrUnit, lots true;
    /// Executable by a unit, 单位可执行指标.
    AuthorityUnit = 3, "AUTHORITY_UNIT", Authority, Credit, Unit, lots true;
    /// Payment plan, 用款计划.
    AuthorityPlan = 4, "AUTHORITY_PLAN", Authority, Credit, Unit, lots true;
    /// Committed to contracts, 合同占用.
    AuthorityCommitted = 5, "AUTHORITY_COMMITTED", Authority, Credit, Unit, lots true;
    /// Frozen amounts, 冻结.
    AuthorityFrozen = 6, "AUTHORITY_FROZEN", Authority, Credit, Unit, lots true;
    /// Executed, 已执行.
    AuthorityUsed = 7, "AUTHORITY_USED", Authority, Credit, Unit, lots true;
    /// Carried over, 结转.
    AuthorityCarry = 8, "AUTHORITY_CARRY", Authority, Credit, Fund, lots true;
    /// Recalled, 收回.
    AuthorityRecalled = 9, "AUTHORITY_RECALLED", Authority, Credit, Fund, lots true;
    /// Treasury deposits, 国库存款.
    Treasury = 20, "TREASURY", Cash, Debit, Fund, lots false;
    /// Balance of the fund's lots, 专项结存.
    FundLot = 40, "FUND_LOT", Cash, Credit, Fund, lots true;
    /// Zero-balance clearing account, 零余额待清算.
    Clearing = 41, "CLEARING", Cash, Credit, Fund, lots false;
    /// Fiscal special account of social insurance, 财政专户.
    FiscalSpecial = 21, "FISCAL_SPECIAL", Cash, Debit, Fund, lots false;
    /// Income account of an agency, 收入户: only receives, and passes on.
    Income = 22, "INCOME", Cash, Debit, Fund, lots false;
    /// Expenditure account of an agency, 支出户.
    Payout = 23, "PAYOUT", Cash, Debit, Fund, lots false;
    /// Deposits of the housing provident fund, 住房公积金专户.
    HousingDeposit = 24, "HOUSING_DEPOSIT", Cash, Debit, Fund, lots false;
    /// Deposits of its value-added surplus, 增值收益专户.
    HousingSurplusDeposit = 25, "HOUSING_SURPLUS_DEPOSIT", Cash, Debit, Fund, lots false;
    /// Housing loans, 委托贷款.
    Loan = 26, "LOAN", Cash, Debit, Fund, lots false;
    /// Treasury bonds, 国债.
    Bond = 27, "BOND", Cash, Debit, Fund, lots false;
    /// Pooled fund of a scheme, 统筹基金.
    Pool = 42, "POOL", Cash, Credit, Fund, lots false;
    /// A person's account of a scheme, 个人账户.
    Personal = 43, "PERSONAL", Cash, Credit, Person, lots false;
    /// A person's account of the housing provident fund, 住房公积金个人账户.
    HousingPersonal = 44, "HOUSING_PERSONAL", Cash, Credit, Person, lots false;
    /// Due to or from the level above, 与上级往来.
    PayableUpper = 45, "PAYABLE_UPPER", Cash, Credit, FundOrUnit, lots false;
    /// Due to or from a level below, 与下级往来.
    PayableLower = 46, "PAYABLE_LOWER", Cash, Credit, FundOrUnit, lots false;
    /// Collected non-tax revenue that is not split yet, 待分成.
    NontaxPending = 47, "NONTAX_PENDING", Cash, Credit, Fund, lots false;
    /// This level's own share of non-tax revenue, 本级分成.
    NontaxShare = 48, "NONTAX_SHARE", Cash, Credit, FundOrUnit, lots false;
    /// Value-added surplus, 增值收益.
    Surplus = 49, "SURPLUS", Cash, Credit, Fund, lots false;
    /// Loan risk reserve, 贷款风险准备金.
    RiskReserve = 50, "RISK_RESERVE", Cash, Credit, Fund, lots false;
    /// Management fee due to finance, 上交管理费.
    ManagementFeePayable = 51, "MANAGEMENT_FEE_PAYABLE", Cash, Credit, Fund, lots false;
    /// Supplement for low-rent housing, 廉租住房补充资金.
    LowRentHousing = 52, "LOW_RENT_HOUSING", Cash, Credit, Fund, lots false;
}

impl AccountKind {
    /// The contra account of the authority book: the only one whose balance is not what is available.
    pub const fn is_contra(self) -> bool {
        matches!(self, Self::AuthoritySource)
    }

    /// The accounts that stand for a bank account, and are held against its statements.
    pub const AT_BANKS: [Self; 6] = [
        Self::Treasury,
        Self::FiscalSpecial,
        Self::Income,
        Self::Payout,
        Self::HousingDeposit,
        Self::HousingSurplusDeposit,
    ];

    /// A person's own account, of which a change earns interest from its day on.
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::HousingPersonal)
    }

    /// What a leg does to the balance on the normal side: positive increases it.
    pub(crate) const fn change(self, debit_positive: i64) -> i64 {
        match self.normal_side() {
            NormalSide::Debit => debit_positive,
            NormalSide::Credit => debit_positive.saturating_neg(),
        }
    }
}
