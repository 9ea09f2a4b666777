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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message;
    use prost::bytes::Bytes;

    use super::*;
    use crate::format::keyed::KEY_BYTES;
    use crate::grpc::convert;
    use crate::pb::{Date, v1};

    fn pseudonyms() -> KeyedDigest {
        KeyedDigest::new(&[7; KEY_BYTES], "payees")
    }

    /// Mostly names that are valid, of lengths around what is held inline, and some that are not.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![9 => "[A-Za-z0-9._:-]{1,30}", 1 => ".{0,3}", 1 => "[a-z]{65,70}", 2 => Just(String::new())]
    }

    fn draw() -> impl Strategy<Value = v1::Draw> {
        (name(), -1..1_000_i64).prop_map(|(lot_id, amount_minor)| v1::Draw { lot_id, amount_minor })
    }

    fn payment() -> impl Strategy<Value = v1::command::Payload> {
        let names = vec(name(), 9);
        let rest =
            (vec(draw(), 0..3), -1..i64::MAX, 0..4_i32, vec(30..34_usize, 0..3), 0..20_usize, -1..9_i32, any::<bool>());
        (names, rest).prop_map(|(names, (draws, amount_minor, method, digests, pseudonym, recipient_kind, is_odd))| {
            let name = |at: usize| names[at].clone();
            v1::command::Payload::ExecutePayment(Box::new(v1::ExecutePayment {
                payment_id: name(0),
                from_account_id: name(1),
                unit_id: name(2),
                amount_minor,
                draws,
                payee: if pseudonym == 16 && is_odd { String::new() } else { name(3) },
                purpose: name(4),
                function_code: name(5),
                economic_code: name(6),
                project_id: name(7),
                contract_id: name(8),
                method,
                document_sha256: digests.into_iter().map(|length| vec![1; length].into()).collect(),
                payee_pseudonym: if is_odd { vec![2; pseudonym].into() } else { Bytes::new() },
                payout: (pseudonym == 3).then(Default::default),
                recipient_kind,
            }))
        })
    }

    fn allocation() -> impl Strategy<Value = v1::command::Payload> {
        (name(), name(), -1..1_000_i64, vec(draw(), 0..3), name()).prop_map(
            |(from, to, amount_minor, draws, document_number)| {
                let movement = v1::AuthorityMovement { from_account_id: from, to_account_id: to, amount_minor, draws };
                v1::command::Payload::AllocateBudget(Box::new(v1::AllocateBudget {
                    movement: Some(movement),
                    document_number,
                }))
            },
        )
    }

    fn wire() -> impl Strategy<Value = v1::Command> {
        let date = (2020..2030_i32, 0..14_i32, 0..33_i32).prop_map(|(year, month, day)| Date { year, month, day });
        let payload = prop_oneof![payment(), allocation()];
        (name(), proptest::option::weighted(0.9, date), name(), vec(name(), 0..4), payload).prop_map(
            |(request_id, business_date, actor, checkers, payload)| v1::Command {
                request_id,
                business_date,
                actor,
                checkers,
                payload: Some(payload),
                ..Default::default()
            },
        )
    }

    /// What is read straight is what a decoder and the parser make of it.
    fn check(bytes: &[u8]) -> bool {
        let Some(straight) = command(bytes, Some(&pseudonyms())) else { return false };
        let decoded = v1::Command::decode(bytes).expect("what is read straight can be decoded");
        assert_eq!(convert::command(decoded, &pseudonyms(), ""), Ok(straight));
        true
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn both_ways_lead_to_one_command(wire in wire(), places in vec((0..400_usize, any::<u8>()), 1..3)) {
            let mut bytes = wire.encode_to_vec();
            let was_read = check(&bytes);
            // Nothing plain is left to the long way but a payout.
            if let Ok(parsed) = convert::command(wire.clone(), &pseudonyms(), "") {
                let is_payout = matches!(&parsed.order, Order::ExecutePayment(payment) if payment.payout.is_some());
                prop_assert_eq!(was_read, !is_payout, "{:?}", wire);
            }
            for (place, byte) in places {
                let length = bytes.len();
                if let Some(changed) = bytes.get_mut(place.checked_rem(length).unwrap_or_default()) {
                    *changed = byte;
                }
                check(&bytes);
            }
        }
    }

    /// Of a name that stands twice a decoder takes the last one: nothing that is read here may be written so.
    #[test]
    fn what_is_written_in_another_order_is_left_to_the_decoder() {
        let plain = v1::Command {
            request_id: "r-1".to_owned(),
            business_date: Some(Date { year: 2026, month: 6, day: 15 }),
            actor: "maker".to_owned(),
            payload: Some(v1::command::Payload::ExecutePayment(Box::new(v1::ExecutePayment {
                payment_id: "p-1".to_owned(),
                from_account_id: "u-1".to_owned(),
                amount_minor: 1,
                payee: "supplier".to_owned(),
                purpose: "goods".to_owned(),
                method: 1,
                ..Default::default()
            }))),
            ..Default::default()
        };
        let bytes = plain.encode_to_vec();
        assert!(check(&bytes));
        let twice =
            [&bytes[..], &v1::Command { actor: "other".to_owned(), ..Default::default() }.encode_to_vec()].concat();
        assert!(!check(&twice) && v1::Command::decode(&twice[..]).unwrap().actor == "other");
        assert!(!check(&[&bytes[..], &[0xf8, 0x07, 1]].concat()), "a field that is not known");
        assert!(!check(&bytes[..bytes.len() - 1]));
        assert!(command(&bytes, None).is_none(), "names a person");
    }
}
