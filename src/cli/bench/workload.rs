//! What `bench` posts: a fund with units over many lots, then payments or allocations at random.

use prost::bytes::Bytes;

use super::{BenchArgs, WorkloadKind};
use crate::cli::Failure;
use crate::domain::approval::PublicKey;
use crate::domain::money::AMOUNT_MAX_MINOR;
use crate::format::hexadecimal;
use crate::format::note_key::SignerKey;
use crate::format::wire::Wire;
use crate::pb::Date;
use crate::pb::v1;
use crate::pb::v1::command::Payload;

/// What payouts are for, to how many households, and the year of the first month.
const ITEM: &str = "one-card";
const HOUSEHOLDS: u64 = 1_000_000;
const FIRST_YEAR_PAID_FOR: i32 = 1950;
/// Accounts of the fund as a whole.
const FUND_ACCOUNTS: u32 = 7;
/// Accounts of a unit: its authority and what it used.
const ACCOUNTS_A_UNIT: u32 = 2;
pub(super) const MAKER: &str = "maker-1";
const CHECKER: &str = "checker-1";
const PURPOSE: &str = "goods";
const ECONOMIC_CODE: &str = "30201";
pub(super) const BUSINESS_DATE: Date = Date { year: 2026, month: 6, day: 15 };

/// Commands by number: the same number always gives the same command, in whatever order they are asked for.
pub(super) trait Commands: Send + Sync {
    /// The command of a number.
    fn event(&self, number: u64) -> v1::Command;

    /// Appends the command as a member of a request.
    fn encode(&self, number: u64, request: &mut Vec<u8>) {
        prost::encoding::message::encode(1, &self.event(number), request);
    }
}

/// Requests by number.
pub(super) trait Requests: Send + Sync {
    /// The request of so many commands from a number on; about how many bytes it takes is told where that is known.
    fn request(&self, first: u64, count: u64, bytes: usize) -> Bytes;
}

impl<C: Commands> Requests for C {
    fn request(&self, first: u64, count: u64, bytes: usize) -> Bytes {
        let mut request = Vec::with_capacity(bytes);
        for number in first..first.saturating_add(count) {
            self.encode(number, &mut request);
        }
        request.into()
    }
}

/// A name of this run, so that a running ledger can be loaded again and again.
pub(super) fn random_run() -> Result<String, Failure> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| Failure::about("getrandom", error))?;
    Ok(hexadecimal::of(&random))
}

/// A command by the bench's maker and checker.
pub(super) fn command(request_id: String, payload: Payload) -> v1::Command {
    v1::Command {
        request_id,
        business_date: Some(BUSINESS_DATE),
        actor: MAKER.to_owned(),
        checkers: vec![CHECKER.to_owned()],
        preconditions: Vec::new(),
        personal_data: Vec::new(),
        personal_commitments: Vec::new(),
        payload: Some(payload),
    }
}

/// The accounts and lots that commands are spread over.
pub(super) struct Workload {
    kind: WorkloadKind,
    units: u32,
    lots: u32,
    run: String,
    // Per unit account: the whole of its lot's share.
    share_minor: i64,
    // Signs what is posted; without it, commands name who approved them.
    checker: Option<SignerKey>,
}

impl Workload {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        Self::over(args.workload, args.accounts, args.lots)
    }

    /// One that is signed.
    pub(super) fn signed(args: &BenchArgs, checker: SignerKey) -> Result<Self, Failure> {
        Ok(Self { checker: Some(checker), ..Self::new(args)? })
    }

    /// The name that is a part of all names of this run.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Payments alone.
    pub(super) fn payments(accounts: u32, lots: u32) -> Result<Self, Failure> {
        Self::over(WorkloadKind::Payments, accounts, lots)
    }

    fn over(kind: WorkloadKind, accounts: u32, lots: u32) -> Result<Self, Failure> {
        let units = (accounts.saturating_sub(FUND_ACCOUNTS) / ACCOUNTS_A_UNIT).max(1);
        // A payment is at most 1,000 fen; no unit runs dry. All shares together stay what JSON carries.
        let share_minor = (AMOUNT_MAX_MINOR / 2).checked_div(units.into()).unwrap_or_default();
        Ok(Self { kind, units, lots: lots.min(units), run: random_run()?, share_minor, checker: None })
    }

    fn account(&self, fund: &str, name: &str, kind: v1::AccountKind, unit: Option<u32>) -> Payload {
        Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: format!("{}.{name}", self.run),
            fund_id: fund.to_owned(),
            kind: kind.into(),
            unit_id: unit.map(|unit| format!("{}-{unit}", self.run)).unwrap_or_default(),
            ..v1::OpenAccount::default()
        }))
    }

    /// Set-up commands, in order.
    pub(super) fn set_up(&self) -> Vec<v1::Command> {
        use v1::AccountKind as Kind;
        let run = &self.run;
        let fund = format!("bench-{run}");
        let (scheme, purposes) = match self.kind {
            WorkloadKind::Payouts => (v1::FundScheme::Relief, vec![PURPOSE.to_owned()]),
            WorkloadKind::Payments | WorkloadKind::Allocations => (v1::FundScheme::Unspecified, Vec::new()),
        };
        let mut payloads = vec![
            self.policy(1, Date { year: 2026, month: 1, day: 1 }),
            Payload::DefineFund(Box::new(v1::DefineFund {
                fund_id: fund.clone(),
                name: "bench".to_owned(),
                family: v1::FundFamily::Special.into(),
                scheme: scheme.into(),
                currency_code: String::new(),
                currency_exponent: None,
                purposes,
                economic_codes: Vec::new(),
                policy_id: format!("policy-{run}"),
                legal_basis: "bench".to_owned(),
                ..v1::DefineFund::default()
            })),
        ];
        for (name, kind) in [
            ("source", Kind::AuthoritySource),
            ("unallocated", Kind::AuthorityUnallocated),
            ("carry", Kind::AuthorityCarry),
            ("recalled", Kind::AuthorityRecalled),
            ("treasury", Kind::Treasury),
            ("lots", Kind::FundLot),
            ("clearing", Kind::Clearing),
        ] {
            payloads.push(self.account(&fund, name, kind, None));
        }
        for unit in 0..self.units {
            payloads.push(self.account(&fund, &format!("u{unit}"), Kind::AuthorityUnit, Some(unit)));
            payloads.push(self.account(&fund, &format!("x{unit}"), Kind::AuthorityUsed, Some(unit)));
        }
        for lot in 0..self.lots {
            // Payments need what the units were given; allocations take it from the unallocated account bit by bit.
            let units = i64::from(self.units.checked_div(self.lots).unwrap_or_default()).saturating_add(1);
            let amount_minor = self.share_minor.saturating_mul(units).min(AMOUNT_MAX_MINOR);
            payloads.push(Payload::IssueBudget(Box::new(v1::IssueBudget {
                lot_id: format!("{run}-lot-{lot}"),
                to_account_id: format!("{run}.unallocated"),
                amount_minor,
                issuer_id: format!("bench-{run}"),
                document_number: format!("document {lot}"),
                document_sha256: vec![0; 32].into(),
                ..Default::default()
            })));
            payloads.push(Payload::ReceiveCash(Box::new(v1::ReceiveCash {
                lot_id: format!("{run}-lot-{lot}"),
                amount_minor,
                bank_reference: format!("{run} cash {lot}"),
            })));
        }
        if self.kind != WorkloadKind::Allocations {
            let shares = (0..self.units).map(|unit| self.allocation(unit, self.share_minor));
            payloads.extend(shares);
        }
        if let Some(checker) = &self.checker {
            let PublicKey(public_key) = checker.verifier().public_key;
            let public_key = Bytes::copy_from_slice(&public_key);
            let principal_id = checker.name().to_owned();
            payloads
                .push(Payload::RotateKey(Box::new(v1::RotateKey { principal_id: principal_id.clone(), public_key })));
            let role = v1::Role::Checker.into();
            payloads.push(Payload::GrantRole(Box::new(v1::GrantRole { principal_id, role, fund_id: fund })));
            payloads.push(self.policy(2, BUSINESS_DATE));
        }
        let numbered = payloads.into_iter().enumerate();
        numbered.map(|(at, payload)| command(format!("{run}-setup-{at}"), payload)).collect()
    }

    /// The fund's policy; from its second version on it wants signatures.
    fn policy(&self, version: i32, effective_from: Date) -> Payload {
        Payload::SetPolicy(Box::new(v1::SetPolicy {
            policy_id: format!("policy-{}", self.run),
            version,
            effective_from: Some(effective_from),
            plan_step: v1::PlanStep::Optional.into(),
            document_sha256: vec![0; 32].into(),
            signed_approvals: version > 1,
            terms: (self.kind == WorkloadKind::Payouts).then(|| v1::PolicyTerms {
                items: vec![v1::PolicyItem { code: ITEM.to_owned(), ..Default::default() }],
                ..Default::default()
            }),
            ..v1::SetPolicy::default()
        }))
    }

    fn lot(&self, unit: u32) -> String {
        format!("{}-lot-{}", self.run, unit.checked_rem(self.lots).unwrap_or_default())
    }

    /// What is signed leaves no choice to the ledger.
    fn draws(&self, unit: u32, amount_minor: i64) -> Vec<v1::Draw> {
        match self.checker {
            Some(_) => vec![v1::Draw { lot_id: self.lot(unit), amount_minor }],
            None => Vec::new(),
        }
    }

    fn payment(&self, number: u64) -> v1::ExecutePayment {
        let run = &self.run;
        let Figures { unit, amount_minor, supplier } = self.figures(number);
        v1::ExecutePayment {
            payment_id: format!("{run}-p{number}"),
            from_account_id: format!("{run}.u{unit}"),
            amount_minor,
            draws: self.draws(unit, amount_minor),
            payee: format!("supplier {supplier}"),
            purpose: PURPOSE.to_owned(),
            economic_code: ECONOMIC_CODE.to_owned(),
            method: v1::PaymentMethod::Direct.into(),
            ..Default::default()
        }
    }

    fn allocation(&self, unit: u32, amount_minor: i64) -> Payload {
        let run = &self.run;
        Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: format!("{run}.unallocated"),
                to_account_id: format!("{run}.u{unit}"),
                amount_minor,
                draws: vec![v1::Draw { lot_id: self.lot(unit), amount_minor }],
            }),
            document_number: String::new(),
        }))
    }
}

impl Commands for Workload {
    fn event(&self, number: u64) -> v1::Command {
        let run = &self.run;
        let Figures { unit, amount_minor, .. } = self.figures(number);
        let payload = match self.kind {
            WorkloadKind::Allocations => self.allocation(unit, amount_minor),
            WorkloadKind::Payments => Payload::ExecutePayment(Box::new(self.payment(number))),
            WorkloadKind::Payouts => Payload::ExecutePayment(Box::new(v1::ExecutePayment {
                payee: format!("household {}", number % HOUSEHOLDS),
                economic_code: String::new(),
                payout: Some(payout(number / HOUSEHOLDS)),
                ..self.payment(number)
            })),
        };
        let mut command = command(format!("{run}-r{number}"), payload);
        if self.checker.is_some() {
            command.checkers.clear();
        }
        command
    }

    fn encode(&self, number: u64, request: &mut Vec<u8>) {
        if self.kind != WorkloadKind::Payments {
            prost::encoding::message::encode(1, &self.event(number), request);
            return;
        }
        let run = &self.run;
        let Figures { unit, amount_minor, supplier } = self.figures(number);
        Wire::new(request).message(1, |command| {
            command.formatted(1, format_args!("{run}-r{number}"));
            command.message(2, |date| {
                date.int(1, BUSINESS_DATE.year.into());
                date.int(2, BUSINESS_DATE.month.into());
                date.int(3, BUSINESS_DATE.day.into());
            });
            command.text(3, MAKER);
            command.text(4, CHECKER);
            command.message(23, |payment| {
                payment.formatted(1, format_args!("{run}-p{number}"));
                payment.formatted(2, format_args!("{run}.u{unit}"));
                payment.int(4, amount_minor);
                payment.formatted(6, format_args!("supplier {supplier}"));
                payment.text(7, PURPOSE);
                payment.text(9, ECONOMIC_CODE);
                payment.int(12, i32::from(v1::PaymentMethod::Direct).into());
            });
        });
    }
}

/// What the commands of one number say.
struct Figures {
    unit: u32,
    amount_minor: i64,
    supplier: u64,
}

impl Workload {
    /// The account that a command of a number touches.
    pub(super) fn account_of(&self, number: u64) -> String {
        format!("{}.u{}", self.run, self.figures(number).unit)
    }

    fn figures(&self, number: u64) -> Figures {
        let random = mixed(number);
        Figures {
            unit: u32::try_from(random.checked_rem(u64::from(self.units)).unwrap_or_default()).unwrap_or_default(),
            amount_minor: i64::try_from((random >> 40) % 1_000).unwrap_or_default().saturating_add(1),
            supplier: (random >> 20) % 10_000,
        }
    }
}

/// What is paid to a household for the how many-th month.
fn payout(month: u64) -> v1::Payout {
    let year = i32::try_from(month / 12).unwrap_or_default().saturating_add(FIRST_YEAR_PAID_FOR);
    let month = i32::try_from(month % 12).unwrap_or_default().saturating_add(1);
    let period = year.saturating_mul(100).saturating_add(month);
    v1::Payout { item_code: ITEM.to_owned(), period, ..Default::default() }
}

/// A number spread evenly over 64 bits (the finaliser of `SplitMix64`).
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_command_is_encoded_as_it_is() {
        for kind in [WorkloadKind::Payments, WorkloadKind::Allocations, WorkloadKind::Payouts] {
            let workload = Workload::over(kind, 1_000, 10).unwrap();
            let mut request = Vec::new();
            (0..500).for_each(|number| workload.encode(number * 7_919, &mut request));
            let decoded = v1::PostRequest::decode(request.as_slice()).unwrap();
            let commands: Vec<_> = (0..500).map(|number| workload.event(number * 7_919)).collect();
            assert_eq!(decoded, v1::PostRequest { commands, ..Default::default() });
        }
    }
}
