//! Who got relief: one row a payout, as it happens, by masked names (公示). What came back is a row of its own, in red, and about
//! whom the payout was about: of a minor neither is published.

use super::Days;
use crate::format::receipt_code::receipt_code;
use crate::format::record::EntryHash;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind as Kind, FundScheme};
use crate::reporting::register::{Register, Step, fingerprint};
use crate::reporting::rows::{Person, Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Date, MaskedName, Month, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns. No pseudonym, number or account of a person is among them.
pub(super) const COLUMNS: &[Column] = &[
    column("sequence", Number),
    column("operation", Number),
    column("date", Date),
    column("region_code", Text),
    column("fund_id", Text),
    column("unit_id", Text),
    column("lot_ids", Text),
    column("item_code", Text),
    column("period", Month),
    column("movement", Term),
    column("recipient", MaskedName),
    column("amount", Amount),
    column("currency_code", Text),
    column("original_sequence", Number),
    column("receipt_code", Text),
];

/// The table while it is made.
pub(super) struct Recipients {
    days: Days,
    funds: Vec<String>,
    regions: Vec<String>,
    /// Who was paid: by sequence and payment, since what comes back names no person.
    paid: Vec<(i64, u64, [u8; 16])>,
}

impl Recipients {
    /// Of some days; of some funds where any are named, else of all relief funds.
    pub(super) const fn new(days: Days, funds: Vec<String>, regions: Vec<String>) -> Self {
        Self { days, funds, regions, paid: Vec::new() }
    }

    /// Whom the payout was for that something came back of.
    fn recipient(&self, sequence: i64, payment_id: &str) -> Option<Person> {
        let first = self.paid.partition_point(|(of, ..)| *of < sequence);
        let mut of_event = self.paid.iter().skip(first).take_while(|(of, ..)| *of == sequence);
        let wanted = fingerprint(payment_id);
        of_event.find(|(_, payment, _)| *payment == wanted).map(|(_, _, party)| Person { sequence, party: *party })
    }
}

impl Rows for Recipients {
    fn take(&mut self, step: &Step<'_>, register: &Register, row: &mut dyn FnMut(Row)) {
        if let Payload::PaymentExecuted(payment) = step.payload
            && payment.payout.is_some()
            && let Ok(party) = payment.payee.as_ref().try_into()
        {
            self.paid.push((step.sequence, fingerprint(&payment.payment_id), party));
        }
        if !(self.days.first..=self.days.last).contains(&step.day) {
            return;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "three kinds of events are about a payout")]
        let (movement, person, original) = match step.payload {
            Payload::PaymentExecuted(payment) => {
                let Some(payout) = &payment.payout else { return };
                let movement = if payout.reissue_of.is_empty() { terms::PAID } else { terms::REISSUED };
                (movement, self.recipient(step.sequence, &payment.payment_id), Cell::Empty)
            }
            Payload::PaymentReturned(returned) => {
                let person = self.recipient(returned.original_sequence, &returned.payment_id);
                (terms::RETURNED, person, Cell::Number(returned.original_sequence))
            }
            Payload::Reversed(reversed) => {
                let person = self.recipient(reversed.original_sequence, &reversed.payment_id);
                (terms::REVERSED, person, Cell::Number(reversed.original_sequence))
            }
            _ => return,
        };
        let Some(terms) = register.terms(step).filter(|terms| !terms.item_code.is_empty()) else { return };
        let Some(fund) = register.fund(terms.fund) else { return };
        let is_wanted =
            if self.funds.is_empty() { fund.scheme == FundScheme::Relief } else { self.funds.contains(&fund.fund_id) };
        if !is_wanted || !(self.regions.is_empty() || self.regions.contains(&fund.region_code)) {
            return;
        }
        let used = step.legs.iter().filter(|leg| register.kind(leg.account) == Kind::AuthorityUsed);
        let amount: i128 = used.clone().map(|leg| i128::from(leg.amount_minor)).sum::<i128>().saturating_neg();
        let lots: Vec<&str> = used.filter_map(|leg| register.lot(leg.lot)).map(|lot| lot.lot_id.as_str()).collect();
        // Whoever has the receipt finds the row by it; what comes back is no payout, and has none.
        let code = matches!(step.payload, Payload::PaymentExecuted(_))
            .then(|| receipt_code(register.origin(), step.sequence, &EntryHash(step.entry_hash)))
            .flatten();
        row(Row {
            cells: vec![
                Cell::Number(step.sequence),
                Cell::Number(step.operation.into()),
                Cell::Day(step.day),
                Cell::Text(fund.region_code.clone()),
                Cell::Text(fund.fund_id.clone()),
                Cell::Text(terms.unit_id.clone()),
                Cell::Text(lots.join(" ")),
                Cell::Text(terms.item_code.clone()),
                Cell::Month(terms.period),
                Cell::Term(movement),
                Cell::Empty,
                Cell::Amount(amount, fund.exponent),
                Cell::Text(fund.currency_code.clone()),
                original,
                code.map_or(Cell::Empty, Cell::Text),
            ],
            person,
        });
    }

    fn close(&mut self, _register: &Register, _row: &mut dyn FnMut(Row)) {}
}
