//! A line of protobuf's JSON becomes a command.

use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::cli::Failure;
use crate::pb::DESCRIPTORS;
use crate::pb::v1::Command;

const COMMAND: &str = "fundledger.v1.Command";

/// Reads commands by the descriptors that the server shows to everybody.
pub(in crate::cli) struct Reader {
    descriptor: MessageDescriptor,
}

impl Reader {
    pub(in crate::cli) fn new() -> Result<Self, Failure> {
        let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| Failure::about(COMMAND, error))?;
        let descriptor = pool.get_message_by_name(COMMAND).ok_or_else(|| Failure::about(COMMAND, "-"))?;
        Ok(Self { descriptor })
    }

    /// The command of a line; none where the line is blank. A fault says what is wrong, and in which column.
    pub(in crate::cli) fn command(&self, line: &[u8]) -> Result<Option<Command>, String> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        // The column stays; the line is always the first, since each is read alone.
        let told = |error: &serde_json::Error| error.to_string().replace(" at line 1 column ", ", column ");
        let mut once = serde_json::Deserializer::from_slice(line);
        Once.deserialize(&mut once).and_then(|()| once.end()).map_err(|error| told(&error))?;
        let mut json = serde_json::Deserializer::from_slice(line);
        let message = DynamicMessage::deserialize(self.descriptor.clone(), &mut json).map_err(|error| told(&error))?;
        message.transcode_to().map(Some).map_err(|error| error.to_string())
    }
}

impl Reader {
    /// A command's bytes as JSON, for people: every field under its name in the API.
    pub(in crate::cli) fn shown(&self, bytes: &[u8]) -> Result<serde_json::Value, Failure> {
        let message = DynamicMessage::decode(self.descriptor.clone(), bytes);
        let message = message.map_err(|error| Failure::about(COMMAND, error))?;
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let shown = message.serialize_with_options(serde_json::value::Serializer, &options);
        shown.map_err(|error| Failure::about(COMMAND, error))
    }
}

/// Walks through a value and refuses a field that stands twice in one object, by either of its names: a line that says
/// two amounts means neither.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(Self)?;
            if !names.insert(name.replace('_', "").to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::Date;
    use crate::pb::v1::command::Payload;
    use crate::pb::v1::{ExecutePayment, PaymentMethod};

    fn read(line: &str) -> Result<Option<Command>, String> {
        Reader::new().unwrap().command(line.as_bytes())
    }

    #[test]
    fn both_names_of_a_field_and_both_forms_of_a_number() {
        let expected = Command {
            request_id: "k".to_owned(),
            business_date: Some(Date { year: 2026, month: 6, day: 15 }),
            actor: "m".to_owned(),
            checkers: vec!["c".to_owned()],
            preconditions: Vec::new(),
            personal_data: Vec::new(),
            personal_commitments: Vec::new(),
            payload: Some(Payload::ExecutePayment(Box::new(ExecutePayment {
                payment_id: "p".to_owned(),
                amount_minor: 9_007_199_254_740_991,
                method: PaymentMethod::Direct.into(),
                ..Default::default()
            }))),
        };
        for line in [
            r#"{"request_id":"k","business_date":{"year":2026,"month":6,"day":15},"actor":"m","checkers":["c"],
                "execute_payment":{"payment_id":"p","amount_minor":9007199254740991,"method":"PAYMENT_METHOD_DIRECT"}}"#,
            r#"{"requestId":"k","businessDate":{"year":2026,"month":6,"day":15},"actor":"m","checkers":["c"],
                "executePayment":{"paymentId":"p","amountMinor":"9007199254740991","method":"PAYMENT_METHOD_DIRECT"}}"#,
        ] {
            assert_eq!(read(line).unwrap(), Some(expected.clone()));
        }
        let digest = read(r#"{"setPolicy":{"documentSha256":"AAEC/w=="}}"#).unwrap().unwrap();
        let Some(Payload::SetPolicy(policy)) = digest.payload else { panic!("{digest:?}") };
        assert_eq!(policy.document_sha256.as_ref(), [0, 1, 2, 255]);
        assert_eq!(read("  \r").unwrap(), None);
    }

    #[test]
    fn lines_that_are_no_commands() {
        for (line, expected) in [
            ("{", "EOF while parsing an object, column 1"),
            ("[]", "invalid type: sequence"),
            ("{} {}", "trailing characters"),
            (r#"{"requestid":"k"}"#, "unrecognized field name 'requestid'"),
            (r#"{"execute_payment":{"amount":5}}"#, "unrecognized field name 'amount'"),
            (r#"{"execute_payment":{"amount_minor":"5.5"}}"#, "invalid"),
            (r#"{"execute_payment":{"amount_minor":5.5}}"#, "expected integer"),
            (r#"{"execute_payment":{"amount_minor":9223372036854775808}}"#, "out of range"),
            (r#"{"execute_payment":{"method":"CASH"}}"#, "CASH"),
            (r#"{"set_policy":{"document_sha256":"not base64!"}}"#, "base64"),
            (r#"{"business_date":"2026-06-15"}"#, "invalid type: string"),
            (r#"{"execute_payment":{},"issue_budget":{}}"#, "multiple fields provided for oneof"),
            (r#"{"execute_payment":{"amount_minor":1,"amountMinor":100}}"#, "duplicate field `amountMinor`"),
            (r#"{"actor":"a","actor":"b"}"#, "duplicate field `actor`"),
        ] {
            let found = read(line).unwrap_err();
            assert!(found.contains(expected), "{line}: {found}");
        }
    }
}
