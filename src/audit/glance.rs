//! Looking through an event without decoding it: enough where only the chain is followed. It says yes only to bytes that
//! decoding would take as well, by the same schema; whatever is unusual it leaves to decoding, which then says what is wrong.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::pb::DESCRIPTORS;

/// Messages in messages that are looked into.
const DEPTH_MAX: usize = 16;
const EVENT: &str = ".fundledger.v1.Event";
const BOOKED_AT: usize = 1;
const REQUEST_ID: usize = 3;
/// The first number of the payload's fields: the genesis, whose contents are checked.
const GENESIS: usize = 20;

/// What a field holds on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    Text,
    Message(usize),
    /// Numbers, one after another.
    Varints,
}

/// The fields of every message of the schema, by number.
#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<Vec<Option<Kind>>>,
    event: usize,
}

/// What shows of an event at a glance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glance<'a> {
    pub(super) booked_at_ns: i64,
    pub(super) request_id: &'a str,
}

impl Schema {
    /// The schema that the program was built with; `None` only if that cannot be read.
    pub(super) fn new() -> Option<Self> {
        let files = FileDescriptorSet::decode(DESCRIPTORS).ok()?;
        let mut found: Vec<(String, &DescriptorProto)> = Vec::new();
        for file in &files.file {
            let mut scopes: Vec<(String, &DescriptorProto)> =
                file.message_type.iter().map(|message| (format!(".{}", file.package()), message)).collect();
            while let Some((scope, message)) = scopes.pop() {
                let name = format!("{scope}.{}", message.name());
                scopes.extend(message.nested_type.iter().map(|nested| (name.clone(), nested)));
                found.push((name, message));
            }
        }
        let place = |name: &str| found.iter().position(|(known, _)| known == name);
        let messages = found.iter().map(|(_, message)| fields(message, place)).collect();
        Some(Self { messages, event: place(EVENT)? })
    }

    /// Looks through an event; `None` where it must be decoded.
    pub(super) fn glance<'a>(&self, event: &'a [u8]) -> Option<Glance<'a>> {
        let mut booked_at_ns = None;
        let mut request_id = None;
        let mut has_payload = false;
        let mut rest = event;
        while !rest.is_empty() {
            let (number, content) = self.field(self.event, &mut rest, 0)?;
            match number {
                BOOKED_AT if booked_at_ns.is_none() => booked_at_ns = Some(content),
                REQUEST_ID if request_id.is_none() => request_id = Some(content),
                BOOKED_AT | REQUEST_ID | GENESIS => return None,
                number => has_payload |= number > GENESIS,
            }
        }
        let booked_at_ns = i64::from_le_bytes(booked_at_ns?.try_into().ok()?);
        let request_id = std::str::from_utf8(request_id?).ok()?;
        has_payload.then_some(Glance { booked_at_ns, request_id })
    }

    fn is_plain(&self, message: usize, mut bytes: &[u8], depth: usize) -> bool {
        while !bytes.is_empty() {
            if self.field(message, &mut bytes, depth).is_none() {
                return false;
            }
        }
        true
    }

    /// Takes the next field; gives its number and content.
    fn field<'a>(&self, message: usize, rest: &mut &'a [u8], depth: usize) -> Option<(usize, &'a [u8])> {
        let tag = usize::try_from(varint(rest)?).ok()?;
        let number = tag >> 3;
        let kind = (*self.messages.get(message)?.get(number)?)?;
        let content = match (kind, tag & 7) {
            (Kind::Varint, 0) => {
                varint(rest)?;
                &[]
            }
            (Kind::Fixed64, 1) => take(rest, 8)?,
            (Kind::Fixed32, 5) => take(rest, 4)?,
            (Kind::Bytes | Kind::Text | Kind::Message(_) | Kind::Varints, 2) => {
                let length = usize::try_from(varint(rest)?).ok()?;
                take(rest, length)?
            }
            _ => return None,
        };
        let is_plain = match kind {
            Kind::Text => std::str::from_utf8(content).is_ok(),
            Kind::Message(inner) => depth < DEPTH_MAX && self.is_plain(inner, content, depth.saturating_add(1)),
            Kind::Varints => {
                let mut numbers = content;
                while !numbers.is_empty() {
                    varint(&mut numbers)?;
                }
                true
            }
            Kind::Varint | Kind::Fixed64 | Kind::Fixed32 | Kind::Bytes => true,
        };
        is_plain.then_some((number, content))
    }
}

fn fields(message: &DescriptorProto, place: impl Fn(&str) -> Option<usize>) -> Vec<Option<Kind>> {
    let mut fields = Vec::new();
    for field in &message.field {
        let Ok(number) = usize::try_from(field.number()) else { continue };
        let is_repeated = field.label() == Label::Repeated;
        let kind = match field.r#type() {
            Type::Int32
            | Type::Int64
            | Type::Uint32
            | Type::Uint64
            | Type::Sint32
            | Type::Sint64
            | Type::Bool
            | Type::Enum => Some(if is_repeated { Kind::Varints } else { Kind::Varint }),
            Type::Sfixed64 | Type::Fixed64 | Type::Double => (!is_repeated).then_some(Kind::Fixed64),
            Type::Sfixed32 | Type::Fixed32 | Type::Float => (!is_repeated).then_some(Kind::Fixed32),
            Type::Bytes => Some(Kind::Bytes),
            Type::String => Some(Kind::Text),
            Type::Message => place(field.type_name()).map(Kind::Message),
            Type::Group => None,
        };
        if fields.len() <= number {
            fields.resize(number.saturating_add(1), None);
        }
        if let Some(place) = fields.get_mut(number) {
            *place = kind;
        }
    }
    fields
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (content, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(content)
}

/// A number of at most 64 bits.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (first, after) = rest.split_first()?;
    if *first < 0x80 {
        *rest = after;
        return Some((*first).into());
    }
    let mut value = 0_u64;
    for (at, byte) in rest.iter().enumerate().take(10) {
        if at == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << at.saturating_mul(7);
        if *byte < 0x80 {
            *rest = rest.get(at.saturating_add(1)..)?;
            return Some(value);
        }
    }
    None
}
