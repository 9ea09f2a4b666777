//! Looking through an event without decoding it: enough where only the chain is followed. It says yes only to bytes that
//! decoding would take as well, by the same schema; whatever is unusual it leaves to decoding, which then says what is wrong.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::pb::DESCRIPTORS;

/// Messages in messages that are looked into.
const DEPTH_MAX: usize = 16;
const EVENT: &str = ".fundledger.v1.Event";
const BOOKED_AT: u64 = tag(1, FIXED64);
const REQUEST_ID: u64 = tag(3, LENGTH);
/// The first number of the payload's fields: the genesis, whose contents are checked.
const GENESIS: u64 = tag(20, LENGTH);
/// Fields with larger numbers are left to decoding: the tables have a place for each number.
const NUMBER_MAX: u64 = 1_000;

// Wire types (protobuf encoding, Message Structure).
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// Number and wire type of a field, as they stand before it.
const fn tag(number: u64, wire: u64) -> u64 {
    number << 3 | wire
}

/// What a field holds on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No field of the message, or not as it is usually written.
    Unusual,
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    Text,
    Message(u16),
    /// Numbers, one after another.
    Varints,
}

impl Kind {
    const fn wire(self) -> u64 {
        match self {
            Self::Unusual | Self::Varint => VARINT,
            Self::Fixed64 => FIXED64,
            Self::Fixed32 => FIXED32,
            Self::Bytes | Self::Text | Self::Message(_) | Self::Varints => LENGTH,
        }
    }
}

/// The fields of every message of the schema, by tag.
#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<Vec<Kind>>,
    event: u16,
}

/// What shows of an event at a glance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glance<'a> {
    pub(super) booked_at_ns: i64,
    /// As it stands there: UTF-8.
    pub(super) request_id: &'a [u8],
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
        let place = |name: &str| u16::try_from(found.iter().position(|(known, _)| known == name)?).ok();
        let messages = found.iter().map(|(_, message)| fields(message, place)).collect();
        Some(Self { messages, event: place(EVENT)? })
    }

    /// Looks through an event; `None` where it must be decoded. One loop, because it runs over every byte of a log.
    pub(super) fn glance<'a>(&self, event: &'a [u8]) -> Option<Glance<'a>> {
        let (mut booked_at_ns, mut request_id, mut has_payload) = (None, None, false);
        let mut cursor = Cursor { bytes: event, at: 0 };
        // The messages around this one: where they end, and their fields.
        let mut around: [(usize, &[Kind]); DEPTH_MAX] = [(0, &[]); DEPTH_MAX];
        let mut depth = 0_usize;
        let (mut end, mut kinds) = (event.len(), self.kinds(self.event)?);
        loop {
            while cursor.at == end {
                let Some(outer) = depth.checked_sub(1) else {
                    let booked_at_ns = i64::from_le_bytes(booked_at_ns?);
                    return has_payload.then_some(Glance { booked_at_ns, request_id: request_id? });
                };
                depth = outer;
                (end, kinds) = *around.get(depth)?;
            }
            // A field may end where its message does, not behind it.
            if cursor.at > end {
                return None;
            }
            let tag = cursor.number()?;
            let content = match *kinds.get(usize::try_from(tag).ok()?)? {
                Kind::Unusual => return None,
                Kind::Varint => {
                    cursor.number()?;
                    &[]
                }
                Kind::Fixed64 => cursor.take(8)?,
                Kind::Fixed32 => cursor.take(4)?,
                Kind::Bytes => cursor.piece()?,
                Kind::Text => {
                    let text = cursor.piece()?;
                    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
                        return None;
                    }
                    text
                }
                Kind::Varints => {
                    let content = cursor.piece()?;
                    let mut numbers = Cursor { bytes: content, at: 0 };
                    while numbers.at < content.len() {
                        numbers.number()?;
                    }
                    content
                }
                Kind::Message(inner) => {
                    let length = usize::try_from(cursor.number()?).ok()?;
                    let inner_end = cursor.at.checked_add(length).filter(|inner_end| *inner_end <= end)?;
                    if depth == 0 {
                        has_payload |= tag > GENESIS;
                        if tag == GENESIS {
                            return None;
                        }
                    }
                    *around.get_mut(depth)? = (end, kinds);
                    depth = depth.saturating_add(1);
                    (end, kinds) = (inner_end, self.kinds(inner)?);
                    continue;
                }
            };
            if depth == 0 {
                match tag {
                    BOOKED_AT if booked_at_ns.is_none() => booked_at_ns = content.first_chunk().copied(),
                    REQUEST_ID if request_id.is_none() => request_id = Some(content),
                    BOOKED_AT | REQUEST_ID => return None,
                    _ => {}
                }
            }
        }
    }

    fn kinds(&self, message: u16) -> Option<&[Kind]> {
        self.messages.get(usize::from(message)).map(Vec::as_slice)
    }
}

/// A place in an event.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let start = self.at;
        self.at = start.checked_add(length)?;
        self.bytes.get(start..self.at)
    }

    /// As many bytes as the number before them says.
    #[inline]
    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// A number of at most 64 bits.
    #[expect(clippy::inline_always, reason = "nearly all are one byte long: a call costs more than the number")]
    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        if first < 0x80 {
            self.at = self.at.saturating_add(1);
            return Some(first.into());
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (place, byte) in self.bytes.get(self.at..)?.iter().enumerate().take(10) {
            if place == 9 && *byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7F) << place.saturating_mul(7);
            if *byte < 0x80 {
                self.at = self.at.saturating_add(place).saturating_add(1);
                return Some(value);
            }
        }
        None
    }
}

fn fields(message: &DescriptorProto, place: impl Fn(&str) -> Option<u16>) -> Vec<Kind> {
    let mut fields = Vec::new();
    for field in &message.field {
        let Ok(number) = u64::try_from(field.number()) else { continue };
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
        let Some(kind) = kind.filter(|_| number <= NUMBER_MAX) else { continue };
        let Ok(tag) = usize::try_from(tag(number, kind.wire())) else { continue };
        if fields.len() <= tag {
            fields.resize(tag.saturating_add(1), Kind::Unusual);
        }
        if let Some(place) = fields.get_mut(tag) {
            *place = kind;
        }
    }
    fields
}
