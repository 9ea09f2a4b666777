//! Fields of a protobuf message in the order in which encoders write them: ascending, each once unless it repeats. Whatever is
//! written otherwise is not read here, and left to a full decoder.

/// What is left of a message.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    next: Option<(u32, Value<'a>)>,
    is_readable: bool,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

const NUMBER: u64 = 0;
const BYTES: u64 = 2;

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        let mut fields = Self { rest: message, next: None, is_readable: true };
        fields.advance();
        fields
    }

    fn advance(&mut self) {
        self.next = None;
        if self.rest.is_empty() {
            return;
        }
        self.next = take_field(&mut self.rest);
        self.is_readable &= self.next.is_some();
    }

    fn take(&mut self, field: u32) -> Option<Value<'a>> {
        let (_, value) = self.next.filter(|(number, _)| *number == field)?;
        self.advance();
        Some(value)
    }

    /// A text or message, where it comes next.
    pub(super) fn bytes(&mut self, field: u32) -> Option<&'a [u8]> {
        match self.take(field)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => {
                self.is_readable = false;
                None
            }
        }
    }

    /// A text; empty where it is left out.
    pub(super) fn text(&mut self, field: u32) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(field).unwrap_or_default()).ok()
    }

    /// A 64-bit number; zero where it is left out.
    pub(super) fn number(&mut self, field: u32) -> Option<i64> {
        match self.take(field) {
            None => Some(0),
            Some(Value::Number(number)) => Some(number.cast_signed()),
            Some(Value::Bytes(_)) => None,
        }
    }

    /// A 32-bit number; zero where it is left out.
    pub(super) fn small_number(&mut self, field: u32) -> Option<i32> {
        i32::try_from(self.number(field)?).ok()
    }

    /// Whether everything was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_readable && self.next.is_none() && self.rest.is_empty()
    }
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let key = take_varint(rest)?;
    let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
    match key & 7 {
        NUMBER => Some((number, Value::Number(take_varint(rest)?))),
        BYTES => {
            let length = usize::try_from(take_varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some((number, Value::Bytes(bytes)))
        }
        _ => None,
    }
}

/// A number of at most nine bytes: longer ones are negative, which nothing that is read here may be.
fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, byte) in (0_u32..9).zip(rest.iter()) {
        value |= u64::from(byte & 0x7f) << at.saturating_mul(7);
        if byte & 0x80 == 0 {
            *rest = rest.get(usize::try_from(at).ok()?.saturating_add(1)..)?;
            return Some(value);
        }
    }
    None
}

/// The commands of a request as they stand in it, and the request without them; `None` where it has to be decoded as a whole.
pub fn split_request(request: &[u8]) -> Option<(Vec<&[u8]>, Vec<u8>)> {
    const COMMANDS: u32 = 1;
    let (mut commands, mut others) = (Vec::new(), Vec::new());
    let mut rest = request;
    while !rest.is_empty() {
        let before = rest;
        match take_field(&mut rest)? {
            (COMMANDS, Value::Bytes(command)) => commands.push(command),
            _ => others.extend_from_slice(before.get(..before.len().checked_sub(rest.len())?)?),
        }
    }
    Some((commands, others))
}
