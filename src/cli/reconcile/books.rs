//! The books' side, over the public API, as of one sequence.

use jiff::civil::Date;
use tonic::Code;

use super::matching::Line;
use crate::cli::Failure;
use crate::cli::connect::{Connection, Explanation};
use crate::messages::cli as text;
use crate::pb;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{self, AccountKind, post_result::Outcome};

const PAGE_ROWS: i32 = 1_000;
/// A reversal of a reversal of …: ledgers allow none, so that one step is enough; a bound all the same.
const REVERSALS_MAX: usize = 4;

/// The kinds of accounts that stand for a bank account.
const BANK_KINDS: [AccountKind; 6] = [
    AccountKind::Treasury,
    AccountKind::FiscalSpecial,
    AccountKind::Income,
    AccountKind::Payout,
    AccountKind::HousingDeposit,
    AccountKind::HousingSurplusDeposit,
];

/// A line of the books.
#[derive(Clone, Debug)]
pub(super) struct BookLine {
    /// What is compared.
    pub(super) line: Line,
    /// The event; 0 for what an earlier reconciliation left open.
    pub(super) sequence: i64,
}

/// A comparison that is on record.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// Its sequence.
    pub(super) sequence: i64,
    /// Whether it was there before this run.
    pub(super) replayed: bool,
    /// What it says.
    pub(super) said: v1::Reconciled,
}

/// What the books say of a period.
#[derive(Clone, Debug)]
pub(super) struct Period {
    /// Balance before the first day, minor units.
    pub(super) opening_minor: i64,
    /// Balance at the end of the last day, minor units.
    pub(super) closing_minor: i64,
    /// The lines, and those of earlier days that an earlier reconciliation could not have seen.
    pub(super) lines: Vec<BookLine>,
}

/// An account that stands for a bank account.
pub(super) struct Books<'a> {
    connection: &'a Connection,
    /// The account.
    pub(super) account: v1::Balance,
    /// The head when it was asked for.
    pub(super) head: i64,
}

impl<'a> Books<'a> {
    /// Looks the account up.
    pub(super) async fn open(connection: &'a Connection, account_id: &str) -> Result<Self, Failure> {
        let request = v1::GetBalanceRequest { account_id: account_id.to_owned(), ..Default::default() };
        let answer = connection.query().get_balance(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let lang = connection.lang();
        let no_position = || Failure::Unavailable(text::answer_has_no_position(lang));
        let head = answer.position.as_ref().map(|position| position.sequence).ok_or_else(no_position)?;
        let account = answer.balance.unwrap_or_default();
        if !BANK_KINDS.contains(&account.kind()) {
            let kind = crate::cli::render::account_kind_label(account.kind, lang);
            return Err(Failure::Refused(text::reconcile_no_bank_account(lang, account_id, kind)));
        }
        Ok(Self { connection, account, head })
    }

    /// Waits until readers see a sequence. What was recorded is on record even where they take longer than the server waits.
    pub(super) async fn wait_until_seen(&self, sequence: i64) {
        let account_id = self.account.account_id.clone();
        let request = v1::GetBalanceRequest { account_id, min_sequence: Some(sequence), ..Default::default() };
        drop(self.connection.query().get_balance(self.connection.request(request)).await);
    }

    /// Comparisons of the account on record, in their order.
    pub(super) async fn recorded(&self) -> Result<Vec<Recorded>, Failure> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListEventsRequest {
                account_id: self.account.account_id.clone(),
                reconciliations_only: true,
                page_size: PAGE_ROWS,
                page_token,
                ..Default::default()
            };
            let answer = self.connection.query().list_events(self.connection.request(request)).await;
            let answer = answer.map_err(|status| self.connection.failure(&status))?.into_inner();
            for record in answer.records {
                if let Some(Payload::Reconciled(said)) = record.event.unwrap_or_default().payload {
                    found.push(Recorded { sequence: record.sequence, replayed: true, said });
                }
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// What became of a key, if it was given before.
    pub(super) async fn find(&self, key: &str) -> Result<Option<Recorded>, Failure> {
        let request = v1::GetReceiptRequest { request_id: key.to_owned() };
        let result = match self.connection.ledger().get_receipt(self.connection.request(request)).await {
            Ok(answer) => answer.into_inner().result.unwrap_or_default(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(self.connection.failure(&status)),
        };
        let lang = self.connection.lang();
        match result.outcome {
            Some(Outcome::Receipt(receipt)) => match self.event(receipt.sequence).await?.payload {
                Some(Payload::Reconciled(said)) => {
                    Ok(Some(Recorded { sequence: receipt.sequence, replayed: true, said }))
                }
                _ => Err(Failure::Refused(text::reconcile_key_taken(lang, key))),
            },
            // A refused command holds its key for ever: the refusal is the answer.
            Some(Outcome::Error(status)) => Err(Explanation::of_result(&status, lang).failure()),
            None => Err(Failure::Unavailable(text::answer_has_no_outcome(lang))),
        }
    }

    /// The books of a period as of a sequence. `seen` is the last comparison before it: what was booked since for days that
    /// it covered belongs to this one.
    pub(super) async fn period(
        &self,
        (first, last): (Date, Date),
        as_of: i64,
        seen: Option<&Recorded>,
    ) -> Result<Period, Failure> {
        let (opening_minor, closing_minor, mut lines) = self.statement(Some(first), last, as_of).await?;
        if let Some(seen) = seen
            && let Some(through) = date_of(seen.said.last_day)
        {
            let now = self.balance_on(through, as_of).await?;
            // Only where the balance of those days changed since is there anything to look for.
            if now != seen.said.book_balance_minor {
                let (_, _, earlier) = self.statement(None, through, as_of).await?;
                lines.extend(earlier.into_iter().filter(|line| line.sequence > seen.said.as_of_sequence));
            }
        }
        Ok(Period { opening_minor, closing_minor, lines })
    }

    async fn balance_on(&self, day: Date, as_of: i64) -> Result<i64, Failure> {
        let request = v1::GetBalanceRequest {
            account_id: self.account.account_id.clone(),
            as_of_sequence: Some(as_of),
            effective_on: Some(wire_date(day)),
            ..Default::default()
        };
        let answer = self.connection.query().get_balance(self.connection.request(request)).await;
        let answer = answer.map_err(|status| self.connection.failure(&status))?.into_inner();
        Ok(answer.balance.unwrap_or_default().amount_minor)
    }

    /// All pages of a statement: opening, closing, lines.
    async fn statement(
        &self,
        first: Option<Date>,
        last: Date,
        as_of: i64,
    ) -> Result<(i64, i64, Vec<BookLine>), Failure> {
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::GetStatementRequest {
                account_id: self.account.account_id.clone(),
                first_date: first.map(wire_date),
                last_date: Some(wire_date(last)),
                as_of_sequence: Some(as_of),
                page_size: PAGE_ROWS,
                page_token,
                ..Default::default()
            };
            let answer = self.connection.query().get_statement(self.connection.request(request)).await;
            let page = answer.map_err(|status| self.connection.failure(&status))?.into_inner();
            for entry in &page.entries {
                lines.push(self.line(entry).await?);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                let (opening, closing) = (page.opening_balance_minor, page.closing_balance_minor);
                let sum = lines.iter().fold(i128::from(opening), |sum, line: &BookLine| {
                    sum.saturating_add(line.line.amount_minor.into())
                });
                // The server says so too; a client that compares money checks what it was given.
                if sum != i128::from(closing) {
                    return Err(Failure::Unavailable(text::reconcile_books_do_not_add_up(self.connection.lang())));
                }
                return Ok((opening, closing, lines));
            }
        }
    }

    async fn line(&self, entry: &v1::StatementEntry) -> Result<BookLine, Failure> {
        let named = [&entry.bank_reference, &entry.payment_id].into_iter().find(|reference| !reference.is_empty());
        let reference = match named {
            Some(reference) => Some(reference.clone()),
            None => self.reference_of(entry.sequence).await?,
        };
        let date = entry.business_date.as_ref().and_then(day_of);
        let line = Line { reference, date, amount_minor: entry.amount_minor };
        Ok(BookLine { line, sequence: entry.sequence })
    }

    /// What a statement does not show: what a reversal undid, and the loan that was paid out.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have a reference in the statement, or none")]
    async fn reference_of(&self, sequence: i64) -> Result<Option<String>, Failure> {
        let mut sequence = sequence;
        for _ in 0..REVERSALS_MAX {
            match self.event(sequence).await?.payload {
                Some(Payload::Reversed(reversed)) => sequence = reversed.original_sequence,
                Some(payload) => {
                    return Ok(match payload {
                        Payload::LoanIssued(issued) => Some(issued.loan_id),
                        Payload::CashReceived(m) => Some(m.bank_reference),
                        Payload::NontaxCollected(m) => Some(m.bank_reference),
                        Payload::ContributionReceived(m) => Some(m.bank_reference),
                        Payload::IncomeReceived(m) => Some(m.bank_reference),
                        Payload::FundsMoved(m) => Some(m.bank_reference),
                        Payload::RelationTransferred(m) => Some(m.bank_reference),
                        Payload::LoanRepaid(m) => Some(m.bank_reference),
                        Payload::BenefitPaid(m) => Some(m.payment_id),
                        Payload::HousingWithdrawn(m) => Some(m.payment_id),
                        _ => None,
                    }
                    .filter(|reference| !reference.is_empty()));
                }
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn event(&self, sequence: i64) -> Result<v1::Event, Failure> {
        let request = self.connection.request(v1::GetEventRequest { sequence });
        let answer = self.connection.query().get_event(request).await;
        let answer = answer.map_err(|status| self.connection.failure(&status))?.into_inner();
        Ok(answer.record.unwrap_or_default().event.unwrap_or_default())
    }
}

/// A date on the wire.
pub(super) fn wire_date(date: Date) -> pb::Date {
    pb::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

/// A date of the wire.
pub(super) fn day_of(date: &pb::Date) -> Option<Date> {
    Date::new(date.year.try_into().ok()?, date.month.try_into().ok()?, date.day.try_into().ok()?).ok()
}

/// A day of the log, counted from 1970-01-01.
pub(super) fn date_of(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}
