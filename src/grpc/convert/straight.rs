//! The commonest orders straight from the wire into the domain: no message in between, nothing copied that is not kept.
//!
//! Only what is plainly valid is read here. Everything else, whatever is wrong with it or unusual about it, is left to the
//! decoder and the parser that know all orders and can say what is wrong; what both read, they read alike (a property test).

use super::fields::Fields;
use super::parser::{DRAWS_MAX, PAYEE_BYTES_MAX};
use super::{CHECKERS_MAX, DOCUMENTS_MAX};
use crate::domain::approval::Approvals;
use crate::domain::command::{Command, Draw, Envelope, ExecutePayment, Movement, Order, PaymentMethod};
use crate::domain::ids::{
    AccountId, ActorId, Code, ContractId, DocumentDigest, DocumentNumber, LotId, PayeeRef, PaymentId, RequestId, UnitId,
};
use crate::domain::money::Amount;
use crate::domain::profile::RecipientKind;
use crate::domain::time::Day;
use crate::format::keyed::KeyedDigest;

/// Reads a command; `None` where it has to be decoded and parsed. Without `pseudonyms` it may name no person but by pseudonym.
pub fn command(bytes: &[u8], pseudonyms: Option<&KeyedDigest>) -> Option<Command> {
    let mut fields = Fields::new(bytes);
    let request_id = RequestId::parse(fields.text(1)?).ok()?;
    let business_date = day(fields.bytes(2)?)?;
    let actor = ActorId::parse(fields.text(3)?).ok()?;
    let mut checkers = Vec::new();
    while let Some(checker) = fields.bytes(4) {
        checkers.push(ActorId::parse(std::str::from_utf8(checker).ok()?).ok()?);
    }
    let order = if let Some(allocation) = fields.bytes(15) {
        allocate_budget(allocation)?
    } else {
        execute_payment(fields.bytes(23)?, pseudonyms)?
    };
    if !fields.is_at_end() || checkers.len() > CHECKERS_MAX {
        return None;
    }
    let approvals = Approvals::Named(checkers);
    let envelope = Envelope { request_id, business_date, actor, approvals, personal_data: Vec::new() };
    Some(Command { envelope, preconditions: Vec::new(), order })
}

fn day(bytes: &[u8]) -> Option<Day> {
    let mut fields = Fields::new(bytes);
    let (year, month, day) = (fields.small_number(1)?, fields.small_number(2)?, fields.small_number(3)?);
    Day::new(year, month, day).ok().filter(|_| fields.is_at_end())
}

fn draws(fields: &mut Fields<'_>, field: u32) -> Option<Vec<Draw>> {
    let mut draws = Vec::new();
    while let Some(draw) = fields.bytes(field) {
        let mut fields = Fields::new(draw);
        let lot_id = LotId::parse(fields.text(1)?).ok()?;
        let amount = Amount::positive(fields.number(2)?).ok()?;
        if !fields.is_at_end() || draws.len() >= DRAWS_MAX {
            return None;
        }
        draws.push(Draw { lot_id, amount });
    }
    Some(draws)
}

fn allocate_budget(bytes: &[u8]) -> Option<Order> {
    let mut fields = Fields::new(bytes);
    let mut movement = Fields::new(fields.bytes(1)?);
    let document_number = optional(fields.text(2)?, DocumentNumber::parse)?;
    let from = AccountId::parse(movement.text(1)?).ok()?;
    let to = AccountId::parse(movement.text(2)?).ok()?;
    let amount = Amount::positive(movement.number(3)?).ok()?;
    let draws = draws(&mut movement, 4)?;
    if !fields.is_at_end() || !movement.is_at_end() || from == to {
        return None;
    }
    Some(Order::AllocateBudget { movement: Movement { from, to, amount, draws }, document_number })
}

fn execute_payment(bytes: &[u8], pseudonyms: Option<&KeyedDigest>) -> Option<Order> {
    let mut fields = Fields::new(bytes);
    let payment_id = PaymentId::parse(fields.text(1)?).ok()?;
    let from = AccountId::parse(fields.text(2)?).ok()?;
    let unit = optional(fields.text(3)?, UnitId::parse)?;
    let amount = Amount::positive(fields.number(4)?).ok()?;
    let draws = draws(&mut fields, 5)?;
    let payee = fields.text(6)?;
    let purpose = Code::parse(fields.text(7)?).ok()?;
    let function_code = optional(fields.text(8)?, Code::parse)?;
    let economic_code = optional(fields.text(9)?, Code::parse)?;
    let project_id = optional(fields.text(10)?, Code::parse)?;
    let contract_id = optional(fields.text(11)?, ContractId::parse)?;
    let method = match fields.small_number(12)? {
        1 => PaymentMethod::Direct,
        2 => PaymentMethod::Authorized,
        _ => return None,
    };
    let mut document_sha256 = Vec::new();
    while let Some(digest) = fields.bytes(13) {
        document_sha256.push(<DocumentDigest>::try_from(digest).ok()?);
    }
    let payee = match fields.bytes(14).unwrap_or_default() {
        [] if (1..=PAYEE_BYTES_MAX).contains(&payee.len()) => pseudonyms?.payee(payee),
        pseudonym if payee.is_empty() => PayeeRef(pseudonym.try_into().ok()?),
        _ => return None,
    };
    let recipient_kind = match fields.small_number(16)? {
        0 => None,
        number => Some(RecipientKind::from_number(number)?),
    };
    if !fields.is_at_end() || document_sha256.len() > DOCUMENTS_MAX {
        return None;
    }
    Some(Order::ExecutePayment(Box::new(ExecutePayment {
        payment_id,
        from,
        unit,
        amount,
        draws,
        payee,
        purpose,
        function_code,
        economic_code,
        project_id,
        contract_id,
        method,
        document_sha256,
        payout: None,
        recipient_kind,
    })))
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether the field is plainly valid, the inner one whether it is set"
)]
fn optional<'a, T, E>(text: &'a str, parse: impl FnOnce(&'a str) -> Result<T, E>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).ok().map(Some) }
}
