//! `GetStatement`: opening balance, entries with running balance, closing balance.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message;
use prost::encoding::decode_key;
use tonic::Status;

use super::convert;
use super::page::{self, Page};
use super::reading::{Reading, subject, wire_balance, wire_event};
use crate::domain::account::Book;
use crate::domain::ids::{AccountNumber, LotNumber, Sequence};
use crate::domain::refusal::Reason;
use crate::domain::time::{Day, UtcNanos};
use crate::log::Fault;
use crate::pb::v1::event::Payload;
use crate::pb::{DESCRIPTORS, v1};
use crate::projection::Views;
use crate::projection::events::Events;
use crate::projection::history::{Bounds, DateKey, Row};

/// Accounts of the other side that an entry names.
const COUNTERPARTS_MAX: usize = 4;
/// The message in event.proto whose fields name what happened.
const EVENT_MESSAGE: &str = "Event";

/// `GetStatement`.
pub(super) async fn statement(
    reading: Reading,
    request: v1::GetStatementRequest,
) -> Result<v1::GetStatementResponse, Status> {
    let first = reading.day("first_date", request.first_date)?;
    let last = reading.day("last_date", request.last_date)?;
    if let (Some(first), Some(last)) = (first, last)
        && first > last
    {
        let description = format!("is {last}, before first_date, which is {first}");
        return Err(reading.violation("last_date", Reason::FieldInvalid, description));
    }
    let as_of = reading.wait(request.min_sequence, request.as_of_sequence).await?;
    reading.blocking(move |reading| answer(reading, &request, (first, last), as_of)).await
}

fn answer(
    reading: &Reading,
    request: &v1::GetStatementRequest,
    (first, last): (Option<Day>, Option<Day>),
    as_of: Option<i64>,
) -> Result<v1::GetStatementResponse, Status> {
    let as_of_bytes = request.as_of_sequence.unwrap_or(-1).to_be_bytes();
    let first_bytes = first.map_or(i32::MIN, Day::days).to_be_bytes();
    let last_bytes = last.map_or(i32::MAX, Day::days).to_be_bytes();
    let parameters: [&[u8]; 6] = [
        b"statement",
        request.account_id.as_bytes(),
        request.lot_id.as_bytes(),
        &first_bytes,
        &last_bytes,
        &as_of_bytes,
    ];
    let Page { size, start } = reading.page(request.page_size, &request.page_token, &parameters, as_of)?;
    let views = reading.node.views();
    let as_of = start.map(|start| start.as_of).or(as_of).unwrap_or(views.position.sequence);
    let (number, account) = reading.account(&views, &request.account_id, as_of)?;
    let lot = reading.lot(&views, &request.lot_id, as_of)?;
    reading.check_tracks_lots(account, lot)?;
    let head = wire_balance(&views, account, lot, 0);
    drop(views);

    let range = Bounds {
        from: first.map_or(DateKey::start_of(i32::MIN), |day| DateKey::start_of(day.days())),
        until: last.map_or(DateKey::end_of(i32::MAX), |day| DateKey::end_of(day.days())),
        ..Bounds::as_of(as_of)
    };
    let from = start.map_or(range.from, |start| key_after(start.after));
    let subject = subject(number, lot);
    let fault = |fault| reading.fault(&fault);
    let history = reading.history()?;
    let found = history.page(subject, &range, from, size.saturating_add(1)).map_err(fault)?;
    let rows = found.rows;
    let page = rows.get(..size.min(rows.len())).unwrap_or_default();
    let log = reading.node.log();
    let mut events = Events::new(log.as_ref());
    let entries = entries(reading, &mut events, number, page, found.page_opening_minor).map_err(fault)?;
    let next = page.last().filter(|_| rows.len() > size);
    let token = next.map(|row| {
        let after = [row.business_day.into(), row.sequence, row.second.into()];
        page::token(page::Position { as_of, after }, &parameters)
    });
    Ok(v1::GetStatementResponse {
        account_id: head.account_id,
        lot_id: head.lot_id,
        fund_id: head.fund_id,
        kind: head.kind,
        currency_code: head.currency_code,
        currency_exponent: head.currency_exponent,
        debit_normal: head.debit_normal,
        opening_balance_minor: found.opening_minor,
        closing_balance_minor: found.closing_minor,
        page_opening_balance_minor: found.page_opening_minor,
        page_closing_balance_minor: entries.last().map_or(found.page_opening_minor, |entry| entry.balance_minor),
        entries,
        next_page_token: token.unwrap_or_default(),
        position: Some(reading.position(&mut events, as_of)?),
    })
}

/// The place right behind the last row of the page before. A forged token gives some place, which is as good as any.
fn key_after([business_day, sequence, second]: [i64; 3]) -> DateKey {
    let business_day = i32::try_from(business_day).unwrap_or(i32::MAX);
    let second = u32::try_from(second).unwrap_or(u32::MAX);
    match second.checked_add(1) {
        Some(second) => DateKey { business_day, sequence, second },
        None => DateKey { business_day, sequence: sequence.saturating_add(1), second: 0 },
    }
}

/// The entries of a page, in its order; their events are read in the order of the log.
fn entries(
    reading: &Reading,
    events: &mut Events<'_>,
    account: AccountNumber,
    page: &[Row],
    opening_minor: i64,
) -> Result<Vec<v1::StatementEntry>, Fault> {
    let mut read: BTreeMap<i64, v1::Event> = BTreeMap::new();
    let sequences: std::collections::BTreeSet<i64> = page.iter().map(|row| row.sequence).collect();
    for sequence in sequences {
        read.insert(sequence, wire_event(events.entry(Sequence(sequence))?)?);
    }
    let mut balance_minor = opening_minor;
    let views = reading.node.views();
    let entries = page.iter().map(|row| {
        balance_minor = balance_minor.saturating_add(row.change_minor);
        let event = read.get(&row.sequence);
        entry(&views, account, row, event.unwrap_or(&v1::Event::default()), balance_minor)
    });
    Ok(entries.collect())
}

fn entry(
    views: &Views,
    account: AccountNumber,
    row: &Row,
    event: &v1::Event,
    balance_minor: i64,
) -> v1::StatementEntry {
    let lot = LotNumber(row.second);
    let mut counterpart_numbers: Vec<AccountNumber> = Vec::new();
    let mut references: Option<References> = None;
    for (payload, legs) in steps(event) {
        let is_own = |leg: &v1::Leg| number(leg.account) == account && u32::try_from(leg.lot) == Ok(lot.0);
        if !legs.iter().any(is_own) {
            continue;
        }
        for counterpart in counterparts(views, account, lot, legs) {
            if !counterpart_numbers.contains(&counterpart) {
                counterpart_numbers.push(counterpart);
            }
        }
        let of_step = References::of(&payload);
        references = Some(references.map_or(of_step.clone(), |before| before.in_common(&of_step)));
    }
    let references = references.unwrap_or_default();
    let named = counterpart_numbers.iter().take(COUNTERPARTS_MAX).filter_map(|number| views.books.account(*number));
    v1::StatementEntry {
        sequence: row.sequence,
        business_date: Some(convert::date(Day::from_days(row.business_day))),
        booked_at: Some(convert::to_timestamp(UtcNanos(event.booked_at_ns))),
        event_kind: event.payload.as_ref().map(kind).unwrap_or_default(),
        lot_id: views.books.lot(lot).map(|lot| lot.lot_id.to_string()).unwrap_or_default(),
        amount_minor: row.change_minor,
        balance_minor,
        payment_id: references.payment_id,
        document_number: references.document_number,
        bank_reference: references.bank_reference,
        contract_id: references.contract_id,
        counterpart_account_ids: named.map(|account| account.account_id.to_string()).collect(),
        counterpart_count: i32::try_from(counterpart_numbers.len()).unwrap_or(i32::MAX),
        maker: event.actor.clone(),
        checkers: event.approvals.iter().map(|approval| approval.actor.clone()).collect(),
    }
}

fn number(raw: i32) -> AccountNumber {
    AccountNumber(u32::try_from(raw).unwrap_or_default())
}

/// The steps of an event: its operations, where it is a transaction.
fn steps(event: &v1::Event) -> Vec<(Cow<'_, Payload>, &[v1::Leg])> {
    let Some(Payload::TransactionPosted(transaction)) = &event.payload else {
        return event.payload.iter().map(|payload| (Cow::Borrowed(payload), event.legs.as_slice())).collect();
    };
    let mut rest = event.legs.as_slice();
    let operations = transaction.operations.iter().filter_map(|operation| {
        let count = usize::try_from(operation.leg_count).unwrap_or_default().min(rest.len());
        let (legs, after) = rest.split_at(count);
        rest = after;
        Some((Cow::Owned(Payload::from(operation.payload.clone()?)), legs))
    });
    operations.collect()
}

/// The accounts on the other side of an account's legs: of the same book, and of the same lot where both name one.
fn counterparts(views: &Views, account: AccountNumber, lot: LotNumber, legs: &[v1::Leg]) -> Vec<AccountNumber> {
    let book = |number| views.books.account(number).map(|view| view.kind.book());
    let is_of_lot = |leg: &v1::Leg| lot == LotNumber::NONE || leg.lot == 0 || u32::try_from(leg.lot) == Ok(lot.0);
    let own = legs.iter().filter(|leg| number(leg.account) == account && u32::try_from(leg.lot) == Ok(lot.0));
    let own_minor = own.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount_minor));
    let own_book: Option<Book> = book(account);
    let mut found = Vec::new();
    for leg in legs.iter().filter(|leg| is_of_lot(leg) && (leg.amount_minor < 0) != (own_minor < 0)) {
        let other = number(leg.account);
        if other != account && book(other) == own_book && !found.contains(&other) {
            found.push(other);
        }
    }
    found
}

/// What an event refers to.
#[derive(Clone, Default)]
struct References {
    payment_id: String,
    document_number: String,
    bank_reference: String,
    contract_id: String,
}

impl References {
    /// What two operations of a transaction both refer to: of two payments neither is the one.
    fn in_common(self, other: &Self) -> Self {
        let common = |one: String, other: &str| if one == other { one } else { String::new() };
        Self {
            payment_id: common(self.payment_id, &other.payment_id),
            document_number: common(self.document_number, &other.document_number),
            bank_reference: common(self.bank_reference, &other.bank_reference),
            contract_id: common(self.contract_id, &other.contract_id),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types refer to anything")]
    fn of(payload: &Payload) -> Self {
        let none = Self::default();
        match payload {
            Payload::PaymentExecuted(payment) => {
                Self { payment_id: payment.payment_id.clone(), contract_id: payment.contract_id.clone(), ..none }
            }
            Payload::PaymentReturned(returned) => Self {
                payment_id: returned.payment_id.clone(),
                bank_reference: returned.bank_reference.clone(),
                ..none
            },
            Payload::Reversed(reversed) => {
                Self { payment_id: reversed.payment_id.clone(), contract_id: reversed.contract_id.clone(), ..none }
            }
            Payload::Cleared(cleared) => Self { bank_reference: cleared.bank_reference.clone(), ..none },
            Payload::CashReceived(cash) => Self { bank_reference: cash.bank_reference.clone(), ..none },
            Payload::Committed(committed) => Self { contract_id: committed.contract_id.clone(), ..none },
            Payload::CommitmentReleased(released) => Self { contract_id: released.contract_id.clone(), ..none },
            Payload::OpeningBalance(opening) => Self { document_number: opening.document_number.clone(), ..none },
            Payload::BudgetIssued(issued) => {
                let document_number = issued.lot.as_ref().map(|lot| lot.document_number.clone());
                Self { document_number: document_number.unwrap_or_default(), ..none }
            }
            Payload::BudgetAllocated(allocated) => Self { document_number: allocated.document_number.clone(), ..none },
            Payload::BudgetAdjusted(adjusted) => Self { document_number: adjusted.document_number.clone(), ..none },
            Payload::PlanApproved(plan) => Self { document_number: plan.document_number.clone(), ..none },
            _ => Self::of_a_family(payload),
        }
    }
}

impl References {
    /// References of the families' events.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types refer to anything")]
    fn of_a_family(payload: &Payload) -> Self {
        let none = Self::default();
        match payload {
            Payload::NontaxCollected(collected) => Self { bank_reference: collected.bank_reference.clone(), ..none },
            Payload::NontaxRefunded(refunded) => Self { bank_reference: refunded.bank_reference.clone(), ..none },
            Payload::ContributionReceived(received) => Self { bank_reference: received.bank_reference.clone(), ..none },
            Payload::IncomeReceived(income) => Self {
                bank_reference: income.bank_reference.clone(),
                document_number: income.document_number.clone(),
                ..none
            },
            Payload::FundsMoved(moved) => Self {
                bank_reference: moved.bank_reference.clone(),
                document_number: moved.document_number.clone(),
                ..none
            },
            Payload::BenefitPaid(paid) => Self { payment_id: paid.payment_id.clone(), ..none },
            Payload::BenefitRecovered(recovered) => Self {
                payment_id: recovered.payment_id.clone(),
                bank_reference: recovered.bank_reference.clone(),
                ..none
            },
            Payload::RelationTransferred(transferred) => {
                Self { bank_reference: transferred.bank_reference.clone(), ..none }
            }
            Payload::HousingWithdrawn(withdrawn) => Self { payment_id: withdrawn.payment_id.clone(), ..none },
            Payload::LoanRepaid(repaid) => Self { bank_reference: repaid.bank_reference.clone(), ..none },
            Payload::SurplusDistributed(distributed) => {
                Self { document_number: distributed.document_number.clone(), ..none }
            }
            _ => none,
        }
    }
}

/// Names of the fields of the stored event, by number: read from the schema itself, so that a new kind of event needs no
/// second list here.
static FIELD_NAMES: LazyLock<BTreeMap<u32, String>> = LazyLock::new(|| {
    // The descriptors are the compiler's own output; without them an entry's kind stays empty.
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default().file;
    let of_package = files.into_iter().filter(|file| file.package() == "fundledger.v1");
    let mut messages = of_package.flat_map(|file| file.message_type);
    let event = messages.find(|message| message.name() == EVENT_MESSAGE).unwrap_or_default();
    let fields = event.field.iter().filter_map(|field| Some((u32::try_from(field.number()).ok()?, field.name())));
    fields.map(|(number, name)| (number, name.to_owned())).collect()
});

/// The name of an event's kind.
fn kind(payload: &Payload) -> String {
    let mut bytes = Vec::new();
    payload.encode(&mut bytes);
    let number = decode_key(&mut bytes.as_slice()).map(|(number, _)| number).unwrap_or_default();
    FIELD_NAMES.get(&number).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_by_the_schema() {
        for (payload, name) in [
            (Payload::PaymentExecuted(v1::PaymentExecuted::default()), "payment_executed"),
            (Payload::CommandRefused(v1::CommandRefused::default()), "command_refused"),
            (Payload::CashReceived(v1::CashReceived::default()), "cash_received"),
        ] {
            assert_eq!(kind(&payload), name);
        }
    }

    #[test]
    fn a_page_begins_behind_the_last_row_of_the_one_before() {
        let last = DateKey { business_day: 3, sequence: 9, second: u32::MAX };
        assert!(key_after([3, 9, u32::MAX.into()]) > last);
        assert!(key_after([3, 9, 7]) > DateKey { second: 7, ..last });
        assert!(key_after([3, 9, 7]) < last);
    }
}
