//! Sends a plan to the ledger, in order, under keys that are the same in every run.
//!
//! A run that was cut off is simply run again: what was posted is replayed, not posted twice. Keys of rows come from the
//! file's digest and the line; keys of set-up commands carry a hash of their content as well, so that a refused one can
//! be corrected in the mapping and sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tonic::Code;

use super::mapping::{Kind, Mapping, Method};
use super::plan::{Allocation, Payment, Plan, Return, Step};
use super::report::Posted;
use super::rows::{Fault, RefusedRow};
use crate::cli::connect::{Connection, Explanation};
use crate::cli::posting::{self, Mode};
use crate::cli::render::hex;
use crate::cli::{Failure, Lang};
use crate::messages::cli as text;
use crate::pb;
use crate::pb::v1::command::Payload;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::{self, AccountKind, Command, PostResult, Receipt};

const CLEARED_AT_ONCE_MAX: usize = 512;
const CONTENT_DIGITS: usize = 12;
/// What the policy of an imported fund says; its SHA-256 stands in the ledger.
const POLICY_TEXT: &str = "fundledger import: the plan is optional, one checker from 0";
const MESSAGES_SHOWN_MAX: usize = 5;

/// Posts a plan. What was done is given even where it could not be finished.
pub(super) async fn post(
    connection: &Connection,
    mapping: &Mapping,
    plan: &Plan,
    patience: Duration,
    progress: &ProgressBar,
) -> (Posted, Result<(), Failure>) {
    let mut poster = Poster {
        connection,
        mapping,
        plan,
        patience,
        progress,
        queue: Vec::new(),
        origins: Vec::new(),
        uncleared: Vec::new(),
        cash_out: BTreeMap::new(),
        posted: Posted::default(),
    };
    let done = poster.run().await;
    (poster.posted, done)
}

/// How many commands a plan has, about: clears are not counted.
pub(super) fn command_count(plan: &Plan) -> u64 {
    let count = [
        plan.units.len().saturating_mul(2),
        plan.lots.len().saturating_mul(2),
        plan.allocations.len(),
        plan.steps.len(),
    ]
    .into_iter()
    .fold(FUND_ACCOUNTS.len(), usize::saturating_add);
    u64::try_from(count).unwrap_or(u64::MAX)
}

const FUND_ACCOUNTS: [(AccountKind, &str); 7] = [
    (AccountKind::AuthoritySource, "SOURCE"),
    (AccountKind::AuthorityUnallocated, "UNALLOCATED"),
    (AccountKind::AuthorityCarry, "CARRY"),
    (AccountKind::AuthorityRecalled, "RECALLED"),
    (AccountKind::Treasury, "TREASURY"),
    (AccountKind::FundLot, "LOTS"),
    (AccountKind::Clearing, "CLEARING"),
];
const UNIT_ACCOUNTS: [(AccountKind, &str); 2] =
    [(AccountKind::AuthorityUnit, "UNIT"), (AccountKind::AuthorityUsed, "USED")];

/// Where a command of the queue comes from.
#[derive(Clone, Debug)]
enum Origin {
    Pay { line: u64, amount_minor: i64, lot_id: String },
    Return { line: u64, amount_minor: i64, lot_id: String },
    Allocate { line: u64, amount_minor: i64 },
    Clear { line: u64 },
}

struct Poster<'a> {
    connection: &'a Connection,
    mapping: &'a Mapping,
    plan: &'a Plan,
    patience: Duration,
    progress: &'a ProgressBar,
    queue: Vec<Command>,
    origins: Vec<Origin>,
    /// Lines of payments that the ledger has accepted and that are not cleared yet.
    uncleared: Vec<u64>,
    /// Per lot, payments less returns.
    cash_out: BTreeMap<String, i128>,
    posted: Posted,
}

impl Poster<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let plan = self.plan;
        let Some(first_date) = plan.first_date else { return Ok(()) };
        self.set_up(first_date).await?;
        if self.mapping.kind == Kind::Budget {
            for allocation in &plan.allocations {
                let command = self.allocate(plan.row_key(allocation.line), allocation);
                let origin = Origin::Allocate { line: allocation.line, amount_minor: allocation.amount_minor };
                self.enqueue(command, origin).await?;
            }
        }
        for step in &plan.steps {
            match step {
                Step::Pay(payment) => {
                    let origin = Origin::Pay {
                        line: payment.line,
                        amount_minor: payment.amount_minor,
                        lot_id: payment.lot_id.clone(),
                    };
                    self.enqueue(self.pay(payment), origin).await?;
                }
                Step::Return(back) => {
                    let origin = Origin::Return {
                        line: back.line,
                        amount_minor: back.amount_minor,
                        lot_id: back.lot_id.clone(),
                    };
                    self.enqueue(self.give_back(back), origin).await?;
                }
                Step::Clear(date) => self.clear(*date).await?,
            }
        }
        self.flush().await?;
        self.compare_lots().await
    }

    /// Fund, accounts, lots, cash, allocations: each stage only when the one before it stands as a whole, so that one
    /// mistake in the mapping is refused once, not once a row.
    async fn set_up(&mut self, first_date: Date) -> Result<(), Failure> {
        let plan = self.plan;
        self.stage(text::import_stage_policy, &["POLICY_VERSION_INVALID"], vec![self.set_policy()]).await?;
        self.stage(text::import_stage_fund, &["FUND_EXISTS"], vec![self.define_fund()]).await?;
        let accounts = self.missing_accounts(first_date).await?;
        self.stage(text::import_stage_accounts, &["ACCOUNT_EXISTS"], accounts).await?;
        self.check_fund().await?;
        let issues = plan.lots.iter().map(|lot| self.issue(lot)).collect();
        self.stage(text::import_stage_lots, &[], issues).await?;
        if self.mapping.kind == Kind::Budget {
            return Ok(());
        }
        let receipts = plan.lots.iter().map(|lot| self.receive(lot)).collect();
        self.stage(text::import_stage_cash, &[], receipts).await?;
        let allocations = plan.allocations.iter().map(|allocation| {
            let content = [
                &allocation.lot_id,
                &allocation.unit_id,
                &allocation.amount_minor.to_string(),
                &allocation.date.to_string(),
            ];
            let key = self
                .content_key(&format!("{}:A{}", plan.short_digest(), allocation.line), &content.map(String::as_str));
            self.allocate(key, allocation)
        });
        let allocations = allocations.collect();
        self.stage(text::import_stage_allocations, &[], allocations).await?;
        self.posted.allocations = Posted::planned(plan).allocations;
        Ok(())
    }

    /// Posts set-up commands; a refusal for one of the `tolerated` reasons means that it is there already.
    async fn stage(
        &mut self,
        what: fn(Lang) -> String,
        tolerated: &[&str],
        commands: Vec<Command>,
    ) -> Result<(), Failure> {
        let mut refusals = Vec::new();
        for batch in commands.chunks(self.mapping.posting.batch.0) {
            for (command, result) in batch.iter().zip(self.send(batch).await?) {
                match self.judge(result) {
                    Ok(_) => {}
                    Err(explanation) if tolerated.contains(&explanation.reason.as_str()) => {}
                    Err(explanation) => refusals.push(format!("{}: {explanation}", command.request_id)),
                }
            }
        }
        if refusals.is_empty() {
            return Ok(());
        }
        let lang = self.connection.lang();
        let more = refusals.len().saturating_sub(MESSAGES_SHOWN_MAX);
        refusals.truncate(MESSAGES_SHOWN_MAX);
        if more > 0 {
            refusals.push(text::import_and_more(lang, more));
        }
        let told = text::import_stage_refused(lang, what(lang));
        Err(Failure::Refused(format!("{told}\n  {}", refusals.join("\n  "))))
    }

    /// Accounts that the ledger does not have yet. A later file of the same fund finds most of them there.
    async fn missing_accounts(&self, date: Date) -> Result<Vec<Command>, Failure> {
        let fund = FUND_ACCOUNTS.iter().map(|(kind, name)| (*kind, self.fund_account(name), String::new()));
        let units = self.plan.units.iter().flat_map(|unit| {
            UNIT_ACCOUNTS.iter().map(move |(kind, name)| (*kind, self.unit_account(name, unit), unit.clone()))
        });
        let mut missing = Vec::new();
        for (kind, account_id, unit_id) in fund.chain(units) {
            match self.balance(&account_id, "").await? {
                Some(found)
                    if found.fund_id == self.mapping.fund.id.0
                        && found.kind == i32::from(kind)
                        && found.unit_id == unit_id => {}
                Some(found) => {
                    let lang = self.connection.lang();
                    let why = text::import_account_taken(lang, account_id, found.fund_id, found.unit_id);
                    return Err(Failure::Refused(why));
                }
                None => missing.push(self.open(kind, account_id, unit_id, date)),
            }
        }
        Ok(missing)
    }

    /// A fund that was there before must have the currency of the mapping.
    async fn check_fund(&self) -> Result<(), Failure> {
        let fund = &self.mapping.fund;
        let account_id = self.fund_account("TREASURY");
        let Some(found) = self.balance(&account_id, "").await? else {
            return Err(Failure::Refused(text::import_treasury_differs(self.connection.lang(), account_id)));
        };
        let exponent_agrees = u32::try_from(found.currency_exponent) == Ok(fund.exponent.0);
        if found.currency_code != fund.currency.0 || !exponent_agrees {
            return Err(Failure::Refused(text::import_currency_differs(
                self.connection.lang(),
                found.currency_code,
                found.currency_exponent,
                &fund.id.0,
                &fund.currency.0,
                fund.exponent.0,
            )));
        }
        Ok(())
    }

    /// Counts the lots of which the ledger holds what the file says.
    async fn compare_lots(&mut self) -> Result<(), Failure> {
        let account_id = match self.mapping.kind {
            Kind::Payments => self.fund_account("LOTS"),
            Kind::Budget => self.fund_account("SOURCE"),
        };
        for lot in &self.plan.lots {
            let out = self.cash_out.get(&lot.id).copied().unwrap_or(0);
            let expected = i128::from(lot.total_minor).saturating_sub(out);
            let held = self.balance(&account_id, &lot.id).await?.map_or(0, |balance| balance.amount_minor);
            if i128::from(held) == expected {
                self.posted.lots_agreeing = self.posted.lots_agreeing.saturating_add(1);
            }
        }
        Ok(())
    }

    async fn enqueue(&mut self, command: Command, origin: Origin) -> Result<(), Failure> {
        self.queue.push(command);
        self.origins.push(origin);
        if self.queue.len() < self.mapping.posting.batch.0 {
            return Ok(());
        }
        self.flush().await
    }

    /// Sends what waits and books what became of it.
    async fn flush(&mut self) -> Result<(), Failure> {
        let commands = std::mem::take(&mut self.queue);
        let origins = std::mem::take(&mut self.origins);
        if commands.is_empty() {
            return Ok(());
        }
        let results = self.send(&commands).await?;
        for ((command, origin), result) in commands.iter().zip(origins).zip(results) {
            let outcome = self.judge(result);
            match (origin, outcome) {
                (Origin::Pay { line, amount_minor, lot_id }, Ok(_)) => {
                    self.posted.payments.add(amount_minor);
                    self.uncleared.push(line);
                    let out = self.cash_out.entry(lot_id).or_default();
                    *out = out.saturating_add(i128::from(amount_minor));
                }
                (Origin::Return { amount_minor, lot_id, .. }, Ok(_)) => {
                    self.posted.returns.add(amount_minor);
                    let out = self.cash_out.entry(lot_id).or_default();
                    *out = out.saturating_sub(i128::from(amount_minor));
                }
                (Origin::Allocate { amount_minor, .. }, Ok(_)) => self.posted.allocations.add(amount_minor),
                (Origin::Clear { .. }, Ok(_)) => {}
                (_, Err(explanation)) if explanation.reason == "IDEMPOTENCY_KEY_REUSED" => {
                    let lang = self.connection.lang();
                    let why = text::import_mapping_changed(lang, explanation, &command.request_id);
                    return Err(Failure::Refused(why));
                }
                (Origin::Clear { line }, Err(explanation)) => {
                    let lang = self.connection.lang();
                    return Err(Failure::Refused(text::import_clear_refused(lang, explanation, line)));
                }
                (
                    Origin::Pay { line, amount_minor, .. } | Origin::Allocate { line, amount_minor },
                    Err(explanation),
                ) => {
                    self.refuse(line, amount_minor, explanation);
                }
                (Origin::Return { line, amount_minor, .. }, Err(explanation)) => {
                    self.refuse(line, amount_minor.saturating_neg(), explanation);
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, amount_minor: i64, explanation: Explanation) {
        let reason = if explanation.reason.is_empty() { format!("{:?}", explanation.code) } else { explanation.reason };
        let fault = Fault::Ledger { reason, message: explanation.message };
        self.posted.refused.push(RefusedRow { line, amount_minor: Some(amount_minor), fault });
    }

    /// Clears what the ledger has accepted: what waits is sent first, since a refused payment cannot be cleared.
    async fn clear(&mut self, date: Date) -> Result<(), Failure> {
        self.flush().await?;
        let lines = std::mem::take(&mut self.uncleared);
        for chunk in lines.chunks(CLEARED_AT_ONCE_MAX) {
            let Some(line) = chunk.last().copied() else { continue };
            let key = format!("{}:C{line}", self.plan.short_digest());
            let payload = Payload::ClearPayments(Box::new(v1::ClearPayments {
                payment_ids: chunk.iter().map(|line| self.plan.row_key(*line)).collect(),
                bank_reference: key.clone(),
            }));
            self.enqueue(self.command(key, date, payload), Origin::Clear { line }).await?;
        }
        Ok(())
    }

    /// Counts a result.
    fn judge(&mut self, result: PostResult) -> Result<Receipt, Explanation> {
        self.progress.inc(1);
        match result.outcome {
            Some(Outcome::Receipt(receipt)) => {
                let counter =
                    if receipt.replayed { &mut self.posted.accepted_before } else { &mut self.posted.accepted_now };
                *counter = counter.saturating_add(1);
                self.posted.last_sequence = self.posted.last_sequence.max(receipt.sequence);
                Ok(receipt)
            }
            Some(Outcome::Error(status)) => Err(Explanation::of_result(&status, self.connection.lang())),
            None => Err(posting::unreadable(text::answer_has_no_outcome(self.connection.lang()))),
        }
    }

    async fn send(&self, commands: &[Command]) -> Result<Vec<PostResult>, Failure> {
        Ok(posting::post(self.connection, commands, Mode::Commit, self.patience).await?.results)
    }

    /// The balance of an account, or of a lot in it; none where the ledger does not know it.
    async fn balance(&self, account_id: &str, lot_id: &str) -> Result<Option<v1::Balance>, Failure> {
        let asked = posting::patiently(self.patience, async || {
            let request = v1::GetBalanceRequest {
                account_id: account_id.to_owned(),
                lot_id: lot_id.to_owned(),
                min_sequence: (self.posted.last_sequence > 0).then_some(self.posted.last_sequence),
                ..v1::GetBalanceRequest::default()
            };
            let answer = self.connection.query().get_balance(self.connection.request(request)).await;
            answer.map_err(|status| self.connection.explain(&status))
        })
        .await;
        match asked {
            Ok(answer) => Ok(answer.into_inner().balance),
            Err(explanation) if explanation.code == Code::NotFound => Ok(None),
            Err(explanation) => Err(explanation.failure()),
        }
    }

    fn command(&self, request_id: String, date: Date, payload: Payload) -> Command {
        let posting = &self.mapping.posting;
        Command {
            request_id,
            business_date: Some(wire_date(date)),
            actor: posting.maker.0.clone(),
            checkers: posting.checkers.iter().map(|checker| checker.0.clone()).collect(),
            preconditions: Vec::new(),
            personal_data: Vec::new(),
            personal_commitments: Vec::new(),
            payload: Some(payload),
        }
    }

    /// A key that the same content always has, and other content never.
    fn content_key(&self, stem: &str, content: &[&str]) -> String {
        let posting = &self.mapping.posting;
        let mut hash = Sha256::new();
        let people = std::iter::once(&posting.maker).chain(&posting.checkers).map(|id| id.0.as_str());
        for part in content.iter().copied().chain(people) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digits: String = hex(&hash.finalize()).chars().take(CONTENT_DIGITS).collect();
        format!("{stem}:{digits}")
    }

    fn fund_account(&self, name: &str) -> String {
        format!("{}.{name}", self.mapping.fund.id.0)
    }

    fn unit_account(&self, name: &str, unit_id: &str) -> String {
        format!("{}.{name}.{unit_id}", self.mapping.fund.id.0)
    }

    fn set_policy(&self) -> Command {
        let (fund, policy) = (&self.mapping.fund, &self.mapping.policy);
        let effective_from = policy.effective_from.0;
        let content = [policy.id.0.as_str(), &effective_from.to_string(), &fund.opened_on.0.to_string(), POLICY_TEXT];
        let key = self.content_key(&format!("{}:policy", fund.id.0), &content);
        let payload = Payload::SetPolicy(Box::new(v1::SetPolicy {
            policy_id: policy.id.0.clone(),
            version: 1,
            effective_from: Some(wire_date(effective_from)),
            plan_step: v1::PlanStep::Optional.into(),
            checker_tiers: Vec::new(),
            document_sha256: sha256(POLICY_TEXT.as_bytes()),
            signed_approvals: false,
            ..v1::SetPolicy::default()
        }));
        self.command(key, fund.opened_on.0, payload)
    }

    fn define_fund(&self) -> Command {
        let fund = &self.mapping.fund;
        let policy_id = self.mapping.policy.id.0.clone();
        let (exponent, opened_on) = (fund.exponent.0.to_string(), fund.opened_on.0.to_string());
        let content = [fund.name.0.as_str(), &fund.currency.0, &exponent, &policy_id, &fund.legal_basis.0, &opened_on];
        let key = self.content_key(&format!("{}:fund", fund.id.0), &content);
        let payload = Payload::DefineFund(Box::new(v1::DefineFund {
            fund_id: fund.id.0.clone(),
            name: fund.name.0.clone(),
            family: v1::FundFamily::Special.into(),
            currency_code: fund.currency.0.clone(),
            currency_exponent: i32::try_from(fund.exponent.0).ok(),
            purposes: Vec::new(),
            economic_codes: Vec::new(),
            policy_id,
            legal_basis: fund.legal_basis.0.clone(),
            ..v1::DefineFund::default()
        }));
        self.command(key, fund.opened_on.0, payload)
    }

    fn open(&self, kind: AccountKind, account_id: String, unit_id: String, date: Date) -> Command {
        let content = [account_id.as_str(), kind.as_str_name(), &unit_id, &date.to_string()];
        let key = self.content_key(&format!("{}:account", self.mapping.fund.id.0), &content);
        let payload = Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id,
            fund_id: self.mapping.fund.id.0.clone(),
            kind: kind.into(),
            unit_id,
            ..v1::OpenAccount::default()
        }));
        self.command(key, date, payload)
    }

    fn issue(&self, lot: &super::plan::Lot) -> Command {
        let expires = lot.expires_on.map(|date| date.to_string()).unwrap_or_default();
        let issuer = &self.mapping.lot.issuer.0;
        let content = [lot.id.as_str(), &lot.total_minor.to_string(), &lot.date.to_string(), &expires, issuer];
        let key = self.content_key(&format!("{}:I{}", self.plan.short_digest(), lot.line), &content);
        let payload = Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: lot.id.clone(),
            to_account_id: self.fund_account("UNALLOCATED"),
            amount_minor: lot.total_minor,
            issuer_id: issuer.clone(),
            document_number: self.document(&lot.id),
            document_sha256: self.plan.digest.to_vec().into(),
            expires_on: lot.expires_on.map(wire_date),
            purposes: Vec::new(),
            parent_lot_id: String::new(),
        }));
        self.command(key, lot.date, payload)
    }

    fn receive(&self, lot: &super::plan::Lot) -> Command {
        let content = [lot.id.as_str(), &lot.total_minor.to_string(), &lot.date.to_string()];
        let key = self.content_key(&format!("{}:R{}", self.plan.short_digest(), lot.line), &content);
        let payload = Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: lot.id.clone(),
            amount_minor: lot.total_minor,
            bank_reference: self.document(&lot.id),
        }));
        self.command(key, lot.date, payload)
    }

    /// Number of the file's authority document for a lot.
    fn document(&self, lot_id: &str) -> String {
        format!("{}/{lot_id}", self.plan.short_digest())
    }

    fn allocate(&self, key: String, allocation: &Allocation) -> Command {
        let payload = Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: self.fund_account("UNALLOCATED"),
                to_account_id: self.unit_account("UNIT", &allocation.unit_id),
                amount_minor: allocation.amount_minor,
                draws: draw(&allocation.lot_id, allocation.amount_minor),
            }),
            document_number: String::new(),
        }));
        self.command(key, allocation.date, payload)
    }

    fn pay(&self, payment: &Payment) -> Command {
        let key = self.plan.row_key(payment.line);
        let form = self.mapping.payment.as_ref();
        let method = form.map_or(v1::PaymentMethod::Unspecified, |form| match form.method {
            Method::Direct => v1::PaymentMethod::Direct,
            Method::Authorized => v1::PaymentMethod::Authorized,
        });
        let payload = Payload::ExecutePayment(Box::new(v1::ExecutePayment {
            payment_id: key.clone(),
            from_account_id: self.unit_account("UNIT", &payment.unit_id),
            unit_id: String::new(),
            amount_minor: payment.amount_minor,
            draws: draw(&payment.lot_id, payment.amount_minor),
            payee: payment.payee.clone(),
            purpose: form.map(|form| form.purpose.0.clone()).unwrap_or_default(),
            function_code: payment.function_code.clone(),
            economic_code: payment.economic_code.clone(),
            project_id: String::new(),
            contract_id: String::new(),
            method: method.into(),
            document_sha256: Vec::new(),
            payee_pseudonym: Vec::new().into(),
            ..v1::ExecutePayment::default()
        }));
        self.command(key, payment.date, payload)
    }

    fn give_back(&self, back: &Return) -> Command {
        let key = self.plan.row_key(back.line);
        let payload = Payload::ReturnPayment(Box::new(v1::ReturnPayment {
            payment_id: self.plan.row_key(back.payment_line),
            amount_minor: back.amount_minor,
            bank_reference: key.clone(),
            reason_code: self.mapping.payment.as_ref().map(|form| form.return_reason.0.clone()).unwrap_or_default(),
        }));
        self.command(key, back.date, payload)
    }
}

fn draw(lot_id: &str, amount_minor: i64) -> Vec<v1::Draw> {
    vec![v1::Draw { lot_id: lot_id.to_owned(), amount_minor }]
}

fn wire_date(date: Date) -> pb::Date {
    pb::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

fn sha256(bytes: &[u8]) -> bytes::Bytes {
    Sha256::digest(bytes).to_vec().into()
}

#[cfg(test)]
mod tests;
