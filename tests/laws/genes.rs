//! Commands and events of every type from a list of numbers, one number a choice: two lists that differ in one number give
//! values that differ in one field at most.

mod complaints;
mod families;
mod oversight;
mod procurement;

use std::borrow::Cow;

use fundledger::domain::account::AccountKind;
use fundledger::domain::approval::{Approval, Approvals, BatchCommand, PublicKey, Role, Signature, SignedCommand};
use fundledger::domain::authority::{ProposedBatch, ProposedContent};
use fundledger::domain::command::{
    Adjustment, Command, Draw, Envelope, ExecutePayment, FreezeScope, Movement, OpeningLine, Operation, Order,
    PaymentMethod, Payout, Precondition,
};
use fundledger::domain::event::{
    AdjustmentKind, Decision, Event, Frozen, Leg, Payload, PaymentExecuted, PostedOperation,
};
use fundledger::domain::fund::{
    CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, LotOpened, PlanStep, PolicyVersion, Scheme,
};
use fundledger::domain::ids::{
    AccountId, AccountNumber, ActorId, BankReference, CaseId, Code, ContractId, DisplayName, DocumentNumber, FundId,
    FundNumber, IssuerId, KeyNumber, LegalBasis, LotId, LotNumber, PayeeRef, PaymentId, PolicyId, ReasonCode,
    RequestId, Sequence, UnitId,
};
use fundledger::domain::log_key::{LogKey, LogKeyChange};
use fundledger::domain::money::{AMOUNT_MAX_MINOR, Amount};
use fundledger::domain::profile::{CarryRule, FundProfile, GovernmentLevel, RecipientKind};
use fundledger::domain::refusal::{Reason, Refusal};
use fundledger::domain::release::Released;
use fundledger::domain::time::{Day, Period, UtcNanos};

/// Where texts come from.
enum Texts {
    /// A few that are easily mistaken for each other.
    Pool,
    /// Pieces of one long text: a longer piece takes the first character of the next one.
    Pieces(usize),
}

/// Choices, one after another; 0 where the list has ended.
pub(crate) struct Genes<'a> {
    choices: &'a [u16],
    at: usize,
    texts: Texts,
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const KINDS: &[AccountKind] = &[
    AccountKind::AuthoritySource,
    AccountKind::AuthorityUnallocated,
    AccountKind::AuthorityUnit,
    AccountKind::AuthorityPlan,
    AccountKind::AuthorityCommitted,
    AccountKind::AuthorityFrozen,
    AccountKind::AuthorityUsed,
    AccountKind::AuthorityCarry,
    AccountKind::AuthorityRecalled,
    AccountKind::Treasury,
    AccountKind::FundLot,
    AccountKind::Clearing,
    AccountKind::Pool,
    AccountKind::HousingPersonal,
    AccountKind::LowRentHousing,
];
const RECIPIENTS: &[RecipientKind] =
    &[RecipientKind::Person, RecipientKind::Enterprise, RecipientKind::PublicInstitution];
const FAMILIES: &[FundFamily] = &[
    FundFamily::Special,
    FundFamily::DepartmentBudget,
    FundFamily::Investment,
    FundFamily::Nontax,
    FundFamily::SocialInsurance,
    FundFamily::HousingProvident,
];

macro_rules! texts {
    ($($function:ident $kind:ident;)*) => {
        impl Genes<'_> {$(
            fn $function(&mut self) -> $kind {
                $kind::parse(self.text()).unwrap()
            }
        )*}
    };
}

texts! {
    account AccountId; actor ActorId; bank BankReference; case CaseId; code Code; contract ContractId; name DisplayName;
    document DocumentNumber; fund FundId; issuer IssuerId; basis LegalBasis; lot LotId; payment PaymentId; policy PolicyId;
    reason ReasonCode; unit UnitId;
}

impl<'a> Genes<'a> {
    pub(crate) fn new(choices: &'a [u16]) -> Self {
        Self { choices, at: 0, texts: Texts::Pool }
    }

    pub(crate) fn in_pieces(choices: &'a [u16]) -> Self {
        Self { choices, at: 0, texts: Texts::Pieces(0) }
    }

    /// How many choices were made.
    pub(crate) fn used(&self) -> usize {
        self.at
    }

    fn next(&mut self) -> usize {
        self.at += 1;
        self.choices.get(self.at - 1).copied().unwrap_or_default().into()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() % from.len()]
    }

    fn text(&mut self) -> String {
        let gene = self.next();
        match &mut self.texts {
            Texts::Pool => {
                let long = "L".repeat(64);
                ["A", "B", "AB", "BA", "AAB", "A_B", "0", "1", &long][gene % 9].to_owned()
            }
            Texts::Pieces(cursor) => {
                let length = 1 + gene % 4;
                let piece = ALPHABET.iter().cycle().skip(*cursor % ALPHABET.len()).take(length);
                *cursor += length;
                piece.map(|byte| char::from(*byte)).collect()
            }
        }
    }

    fn optional<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        // The value's own choices are made either way, so that a change here changes one field only.
        let is_there = self.next() % 2 == 1;
        let value = make(self);
        is_there.then_some(value)
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.next() % 4;
        let mut values: Vec<T> = (0..3).map(|_| make(self)).collect();
        values.truncate(length);
        values
    }

    fn amount(&mut self) -> Amount {
        Amount::positive(self.pick(&[1, 2, 255, 256, 65_536, AMOUNT_MAX_MINOR])).unwrap()
    }

    fn number(&mut self) -> u32 {
        self.pick(&[1, 2, 127, 128, 300, 65_535, 2_147_483_647, 0])
    }

    fn sequence(&mut self) -> Sequence {
        Sequence(self.pick(&[1, 2, 127, 128, 1 << 31, AMOUNT_MAX_MINOR, i64::MAX, 0]))
    }

    fn day(&mut self) -> Day {
        Day::from_days(self.pick(&[20_000, 20_001, 1, 127, 128, -1, -25_567, 84_005]))
    }

    fn period(&mut self) -> Period {
        Period::new(self.pick(&[2026, 2027, 1900, 2199]), self.pick(&[1, 2, 12])).unwrap()
    }

    fn digest<const N: usize>(&mut self) -> [u8; N] {
        let byte = self.pick(&[0, 1, 255, 128]);
        let mut digest = [byte; N];
        digest[N - 1] = self.pick(&[0, 7]);
        digest
    }

    fn payee(&mut self) -> PayeeRef {
        PayeeRef(self.digest())
    }

    fn draws(&mut self) -> Vec<Draw> {
        self.list(|g| Draw { lot_id: g.lot(), amount: g.amount() })
    }

    fn movement(&mut self) -> Movement {
        Movement { from: self.account(), to: self.account(), amount: self.amount(), draws: self.draws() }
    }

    fn lot_definition(&mut self) -> LotDefinition {
        LotDefinition {
            lot_id: self.lot(),
            issuer_id: self.issuer(),
            document_number: self.document(),
            document_sha256: self.digest(),
            expires_on: self.optional(Self::day),
            purposes: self.list(Self::code),
            parent_lot_id: self.optional(Self::lot),
        }
    }

    fn fund_definition(&mut self) -> FundDefinition {
        FundDefinition {
            fund_id: self.fund(),
            name: self.name(),
            family: self.pick(FAMILIES),
            currency: Currency { code: self.pick(&[*b"CNY", *b"JPY", *b"CNX"]), exponent: self.pick(&[0, 2, 4]) },
            purposes: self.list(Self::code),
            economic_codes: self.list(Self::code),
            policy_id: self.optional(Self::policy),
            legal_basis: self.basis(),
            scheme: self.optional(|g| g.pick(&[Scheme::Grant, Scheme::Relief, Scheme::WorkInjury])),
            exclusive_with: self.list(Self::fund),
            profile: self.profile(),
        }
    }

    fn profile(&mut self) -> FundProfile {
        FundProfile {
            level: self.optional(|g| g.pick(&[GovernmentLevel::Central, GovernmentLevel::Township])),
            region_code: self.optional(Self::code),
            recipient_kinds: self.list(|g| g.pick(RECIPIENTS)),
            carry_rule: self.optional(|g| g.pick(&[CarryRule::TwoYears, CarryRule::YearEnd, CarryRule::UntilSpent])),
            directly_allocated: self.pick(&[false, true]),
            subsidizes_recipients: self.pick(&[false, true]),
            includes_matching: self.pick(&[false, true]),
        }
    }

    fn policy_version(&mut self) -> PolicyVersion {
        PolicyVersion {
            version: self.number(),
            effective_from: self.day(),
            plan_step: self.pick(&[PlanStep::Required, PlanStep::Optional]),
            checker_tiers: self
                .list(|g| CheckerTier { from_minor: g.pick(&[0, 1, AMOUNT_MAX_MINOR]), checkers: g.pick(&[0, 1, 8]) }),
            document_sha256: self.digest(),
            signed_approvals: self.pick(&[false, true]),
            terms: self.terms(),
        }
    }

    fn payout(&mut self) -> Payout {
        Payout {
            item_code: self.code(),
            period: self.period(),
            line: self.optional(|g| (g.code(), g.number())),
            reissue_of: self.optional(Self::payment),
        }
    }

    fn method(&mut self) -> PaymentMethod {
        self.pick(&[PaymentMethod::Direct, PaymentMethod::Authorized])
    }

    fn envelope(&mut self) -> Envelope {
        Envelope {
            request_id: RequestId::parse("key").unwrap(),
            business_date: self.day(),
            actor: self.actor(),
            approvals: Approvals::Named(self.list(Self::actor)),
            personal_data: self.list(Self::personal_datum),
        }
    }

    fn request(&mut self) -> RequestId {
        RequestId::parse(self.pick(&["p-1", "p-2", "p"])).unwrap()
    }

    fn key(&mut self) -> KeyNumber {
        KeyNumber(self.number())
    }

    fn public_key(&mut self) -> PublicKey {
        PublicKey(self.digest())
    }

    fn signature(&mut self) -> Signature {
        let byte = self.number().to_le_bytes()[0];
        Signature([byte; 64])
    }

    fn moment(&mut self) -> UtcNanos {
        UtcNanos(self.pick(&[1, 1_700_000_000_000_000_000, i64::MAX]))
    }

    fn exact_bytes(&mut self) -> Box<[u8]> {
        self.text().into_bytes().into()
    }

    fn proposed_command(&mut self) -> ProposedContent {
        ProposedContent::Command(self.exact_bytes())
    }

    fn proposed_batch(&mut self) -> ProposedContent {
        ProposedContent::Batch(ProposedBatch {
            root: self.digest(),
            command_count: self.number(),
            control_total_minor: self.pick(&[0, 1, AMOUNT_MAX_MINOR]),
        })
    }

    fn approvals(&mut self) -> Approvals {
        let approval = |g: &mut Self| Approval { actor: g.actor(), key: g.key(), signature: g.signature() };
        match self.pick(&[0, 1, 2]) {
            0 => Approvals::Named(self.list(Self::actor)),
            1 => Approvals::Signed(Box::new(SignedCommand {
                command: self.exact_bytes(),
                expires_at: self.moment(),
                // The genesis is no proposal, and 0 stands for none.
                proposal: self.optional(|g| Sequence(g.sequence().0.max(1))),
                approvals: self.list(approval),
            })),
            _ => Approvals::Batch(Box::new(BatchCommand {
                command: self.exact_bytes(),
                proposal: self.sequence(),
                index: self.number(),
                checkers: self.list(Self::actor),
            })),
        }
    }

    fn precondition(&mut self) -> Precondition {
        match self.pick(&[0, 1, 2, 3]) {
            0 => Precondition::AccountRevision { account: self.account(), revision: self.sequence() },
            1 => Precondition::FundRevision { fund: self.fund(), revision: self.sequence() },
            2 => Precondition::HeadSequence(self.sequence()),
            _ => Precondition::AvailableAtLeast {
                account: self.account(),
                lot: self.optional(Self::lot),
                amount: self.amount(),
            },
        }
    }

    /// A command of a kind, from 0 to [`COMMAND_KINDS`].
    pub(crate) fn command(&mut self, kind: usize) -> Command {
        Command { envelope: self.envelope(), preconditions: self.list(Self::precondition), order: self.order(kind) }
    }

    fn order(&mut self, kind: usize) -> Order {
        match kind {
            0 => Order::DefineFund(Box::new(self.fund_definition())),
            1 => Order::SetPolicy { policy_id: self.policy(), policy: Box::new(self.policy_version()) },
            2 => Order::OpenAccount {
                account_id: self.account(),
                fund_id: self.fund(),
                kind: self.pick(KINDS),
                unit_id: self.optional(Self::unit),
                person: self.optional(Self::payee),
                unit_party: self.optional(Self::payee),
            },
            3 => Order::RecordOpeningBalance {
                fund_id: self.fund(),
                document_number: self.document(),
                document_sha256: self.digest(),
                lots: self.list(Self::lot_definition),
                lines: self.list(|g| OpeningLine {
                    account: g.account(),
                    lot: g.optional(Self::lot),
                    amount: g.amount(),
                }),
            },
            4 => Order::IssueBudget { lot: Box::new(self.lot_definition()), to: self.account(), amount: self.amount() },
            5 => Order::AllocateBudget { movement: self.movement(), document_number: self.optional(Self::document) },
            6 => Order::ApprovePlan { movement: self.movement(), document_number: self.optional(Self::document) },
            7 => self.adjust(|g| Adjustment::Supplement { to: g.account() }),
            8 => self.adjust(|g| Adjustment::Reduction { from: g.account() }),
            9 => self.adjust(|g| Adjustment::Reallocation { from: g.account(), to: g.account() }),
            10 => Order::CommitAuthority {
                movement: self.movement(),
                contract_id: self.contract(),
                ocid: self.optional(Self::code),
                payee: self.payee(),
            },
            11 => Order::ReleaseCommitment { movement: self.movement(), contract_id: self.contract() },
            12 => self.freeze(|g| FreezeScope::Amount { account: g.account(), amount: g.amount(), draws: g.draws() }),
            13 => self.freeze(|g| FreezeScope::Account(g.account())),
            14 => self.freeze(|g| FreezeScope::Lot(g.lot())),
            15 => self.freeze(|g| FreezeScope::Payee(g.payee())),
            16 => Order::Unfreeze { case_id: self.case() },
            17 => Order::ReceiveCash { lot_id: self.lot(), amount: self.amount(), bank_reference: self.bank() },
            18 => Order::ExecutePayment(Box::new(ExecutePayment {
                payment_id: self.payment(),
                from: self.account(),
                unit: self.optional(Self::unit),
                amount: self.amount(),
                draws: self.draws(),
                payee: self.payee(),
                purpose: self.code(),
                function_code: self.optional(Self::code),
                economic_code: self.optional(Self::code),
                project_id: self.optional(Self::code),
                contract_id: self.optional(Self::contract),
                method: self.method(),
                document_sha256: self.list(Self::digest),
                payout: self.optional(Self::payout),
                recipient_kind: self.optional(|g| g.pick(RECIPIENTS)),
            })),
            19 => Order::ClearPayments { payment_ids: self.list(Self::payment), bank_reference: self.bank() },
            20 => Order::ReturnPayment {
                payment_id: self.payment(),
                amount: self.amount(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
            21 => Order::ReverseEvent {
                original: self.sequence(),
                operation: self.pick(&[0, 1, 2]),
                reason_code: self.reason(),
            },
            22 => Order::CloseDay { fund_id: self.fund(), day: self.day() },
            23 => Order::ClosePeriod { fund_id: self.fund(), period: self.period() },
            24 => Order::CarryForward { lot_id: self.lot(), year: self.pick(&[2026, 2027, 0]) },
            25 => Order::RecoverLapsed { lot_id: self.lot(), legal_basis: self.basis() },
            26 => Order::GrantRole {
                principal: self.actor(),
                role: self.pick(Role::ALL),
                fund_id: self.optional(Self::fund),
            },
            27 => Order::RevokeRole {
                principal: self.actor(),
                role: self.pick(Role::ALL),
                fund_id: self.optional(Self::fund),
            },
            28 => Order::RotateKey { principal: self.actor(), public_key: self.optional(Self::public_key) },
            29 => Order::Propose { content: self.proposed_command(), expires_at: self.moment() },
            30 => Order::Propose { content: self.proposed_batch(), expires_at: self.moment() },
            31 => Order::Approve { proposal_id: self.request(), key: self.key(), signature: self.signature() },
            32 => Order::Withdraw { proposal_id: self.request() },
            33..51 => self.family_order(kind - 33),
            51 => Order::CloseAccount { account_id: self.account() },
            52..66 => Order::Oversight(Box::new(self.oversight(kind - 52, Self::account, Self::fund))),
            67..69 => Order::Oversight(Box::new(self.oversight(kind - 53, Self::account, Self::fund))),
            69..75 => Order::Procurement(Box::new(self.procurement(kind - 69, Self::fund))),
            66 => Order::RotateLogKey { key: LogKey::stored(self.text()), change: self.pick(LOG_KEY_CHANGES) },
            75..79 => Order::Complaint(Box::new(self.complaint(kind - 75, Self::filing))),
            _ => Order::Transaction { operations: self.list(Self::operation) },
        }
    }

    fn operation(&mut self) -> Operation {
        let may_stand = |kind: &usize| Operation::new(Genes::new(&[]).order(*kind)).is_some();
        let kinds: Vec<usize> = (0..COMMAND_KINDS - 1).filter(may_stand).collect();
        let kind = self.pick(&kinds);
        Operation::new(self.order(kind)).unwrap()
    }

    fn adjust(&mut self, adjustment: impl FnOnce(&mut Self) -> Adjustment) -> Order {
        Order::AdjustBudget {
            adjustment: adjustment(self),
            lot_id: self.lot(),
            amount: self.amount(),
            issuer_id: self.issuer(),
            document_number: self.document(),
        }
    }

    fn freeze(&mut self, scope: impl FnOnce(&mut Self) -> FreezeScope) -> Order {
        Order::Freeze { case_id: self.case(), legal_basis: self.basis(), scope: scope(self) }
    }

    /// An event whose payload has this field number in the schema.
    pub(crate) fn event(&mut self, tag: i32) -> Event {
        let payload = self.payload(tag);
        let is_genesis = matches!(payload, Payload::LedgerCreated { .. });
        let amounts = [1, -1, 63, -64, 64, -65, AMOUNT_MAX_MINOR, -AMOUNT_MAX_MINOR];
        let leg = |g: &mut Self| Leg {
            account: AccountNumber(g.number()),
            lot: LotNumber(g.number()),
            debit_minor: g.pick(&amounts),
        };
        Event {
            booked_at: UtcNanos(self.pick(&[1, 1_700_000_000_000_000_000, -1, 0, i64::MAX])),
            command_digest: if is_genesis { [0; 16] } else { self.digest() },
            envelope: (!is_genesis).then(|| Envelope {
                approvals: self.approvals(),
                personal_data: self.list(Self::commitment),
                ..self.envelope()
            }),
            decision: Decision { policy_version: self.number(), legs: self.list(leg), payload },
        }
    }

    fn fund_number(&mut self) -> FundNumber {
        FundNumber(self.number())
    }

    fn lot_opened(&mut self) -> LotOpened {
        LotOpened { lot: LotNumber(self.number()), fund: self.fund_number(), definition: self.lot_definition() }
    }

    fn payload(&mut self, tag: i32) -> Payload {
        match tag {
            20 => Payload::LedgerCreated {
                origin: self.text().into(),
                format_version: self.number(),
                development: self.pick(&[false, true]),
                administrators: self.list(|g| (g.actor(), g.public_key())),
            },
            21 => Payload::FundDefined { fund: self.fund_number(), definition: Box::new(self.fund_definition()) },
            22 => Payload::PolicySet { policy_id: self.policy(), policy: Box::new(self.policy_version()) },
            23 => Payload::AccountOpened {
                account: AccountNumber(self.number()),
                account_id: self.account(),
                fund: self.fund_number(),
                kind: self.pick(KINDS),
                unit_id: self.optional(Self::unit),
                person: self.optional(Self::payee),
                unit_party: self.optional(Self::payee),
            },
            24 => Payload::OpeningBalance {
                fund: self.fund_number(),
                document_number: self.document(),
                document_sha256: self.digest(),
                lots: self.list(Self::lot_opened),
            },
            25 => Payload::BudgetIssued { lot: Box::new(self.lot_opened()) },
            26 => Payload::BudgetAllocated { document_number: self.optional(Self::document) },
            27 => Payload::BudgetAdjusted {
                kind: self.pick(&[AdjustmentKind::Supplement, AdjustmentKind::Reduction, AdjustmentKind::Reallocation]),
                issuer_id: self.issuer(),
                document_number: self.document(),
            },
            28 => Payload::PlanApproved { document_number: self.optional(Self::document) },
            29 => Payload::Committed {
                contract_id: self.contract(),
                ocid: self.optional(Self::code),
                payee: self.payee(),
            },
            30 => Payload::CommitmentReleased { contract_id: self.contract() },
            31 => {
                let scopes = [
                    Frozen::Account(AccountNumber(self.number())),
                    Frozen::Lot(LotNumber(self.number())),
                    Frozen::Payee(self.payee()),
                ];
                Payload::Frozen { case_id: self.case(), legal_basis: self.basis(), scope: self.pick(&scopes) }
            }
            32 => Payload::Unfrozen { case_id: self.case() },
            33 => Payload::CashReceived { bank_reference: self.bank() },
            34 => Payload::PaymentExecuted(Box::new(PaymentExecuted {
                payment_id: self.payment(),
                payee: self.payee(),
                purpose: self.code(),
                function_code: self.optional(Self::code),
                economic_code: self.optional(Self::code),
                project_id: self.optional(Self::code),
                contract_id: self.optional(Self::contract),
                method: self.method(),
                document_sha256: self.list(Self::digest),
                payout: self.optional(Self::payout),
                recipient_kind: self.optional(|g| g.pick(RECIPIENTS)),
            })),
            35 => Payload::Cleared { bank_reference: self.bank(), payment_ids: self.list(Self::payment) },
            36 => Payload::PaymentReturned {
                payment_id: self.payment(),
                original: self.sequence(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
            37 => Payload::Reversed {
                original: self.sequence(),
                operation: self.pick(&[0, 1, 2]),
                reason_code: self.reason(),
                payment_id: self.optional(Self::payment),
                contract_id: self.optional(Self::contract),
            },
            38 => Payload::DayClosed { fund: self.fund_number(), day: self.day() },
            39 => Payload::PeriodClosed {
                fund: self.fund_number(),
                period: self.period(),
                trial_balance_sha256: self.digest(),
            },
            40 => Payload::CarriedForward { lot: LotNumber(self.number()), year: self.pick(&[2026, 0, -1]) },
            41 => Payload::LapsedRecovered { lot: LotNumber(self.number()), legal_basis: self.basis() },
            42 => {
                let operation = |g: &mut Self| {
                    let (policy_version, leg_count) = (g.number(), g.number());
                    let tag = g.pick(&[25, 26, 27, 28, 29, 30, 34, 37]);
                    PostedOperation { policy_version, leg_count, payload: g.payload(tag) }
                };
                Payload::TransactionPosted { operations: self.list(operation) }
            }
            60 => Payload::CommandRefused {
                command: self.text().into(),
                refusal: Refusal {
                    reason: self.pick(Reason::ALL),
                    facts: self.list(|g| (Cow::Owned(g.text()), g.text())),
                },
            },
            61 => {
                let is_batch = self.pick(&[false, true]);
                let content = if is_batch { self.proposed_batch() } else { self.proposed_command() };
                Payload::CommandProposed { content, expires_at: self.moment() }
            }
            62 => Payload::ProposalApproved { proposal: self.sequence(), key: self.key(), signature: self.signature() },
            63 => Payload::ProposalWithdrawn { proposal: self.sequence() },
            64 => Payload::ProposalExpired { proposal: self.sequence() },
            65 => {
                Payload::RoleGranted { principal: self.actor(), role: self.pick(Role::ALL), fund: self.fund_number() }
            }
            66 => {
                Payload::RoleRevoked { principal: self.actor(), role: self.pick(Role::ALL), fund: self.fund_number() }
            }
            67 => {
                let public_key = self.optional(Self::public_key);
                Payload::KeyRotated { principal: self.actor(), key: self.key(), public_key }
            }
            68 => {
                let payments = self.list(|g| (g.sequence(), g.number()));
                Payload::PaymentReleased(Box::new(Released { payments, proof: self.text().into() }))
            }
            69 => Payload::LogKeyRotated { key: LogKey::stored(self.text()), change: self.pick(LOG_KEY_CHANGES) },
            43 | 45 | 46 | 70..=73 | 80..=86 | 100..=103 => self.family_payload(tag),
            140 | 141 => {
                let kind = if tag == 140 { 14 } else { 15 };
                let fund = |g: &mut Self| FundNumber(g.number().max(1));
                Payload::Oversight(Box::new(self.oversight(kind, |g| AccountNumber(g.number()), fund)))
            }
            142..=147 => {
                let kind = usize::try_from(tag - 142).unwrap();
                Payload::Procurement(Box::new(self.procurement(kind, |g| FundNumber(g.number().max(1)))))
            }
            120..=133 => {
                let kind = usize::try_from(tag - 120).unwrap();
                Payload::Oversight(Box::new(self.oversight(
                    kind,
                    |g| AccountNumber(g.number()),
                    |g| FundNumber(g.number().max(1)),
                )))
            }
            134..=137 => {
                let kind = usize::try_from(tag - 134).unwrap();
                Payload::Complaint(Box::new(self.complaint(kind, Self::filed)))
            }
            44 => Payload::AccountClosed { account: AccountNumber(self.number()) },
            _ => panic!("no payload has field number {tag}: whoever adds one adds it here"),
        }
    }
}

const LOG_KEY_CHANGES: &[LogKeyChange] = &[LogKeyChange::Announced, LogKeyChange::Retired];

/// How many kinds of commands there are, each form of an adjustment and of a freeze for itself.
pub(crate) const COMMAND_KINDS: usize = 80;
