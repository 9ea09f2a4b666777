//! Protobuf wire format, writing only: straight into the buffer that is hashed and stored, without an intermediate copy.

/// Appends protobuf fields to a buffer. Fields with default values are left out, as proto3 does.
pub(crate) struct Wire<'a> {
    buffer: &'a mut Vec<u8>,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl<'a> Wire<'a> {
    pub(crate) fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let low = u8::try_from(value & 0x7f).unwrap_or_default();
            value >>= 7;
            if value == 0 {
                self.buffer.push(low);
                return;
            }
            self.buffer.push(low | 0x80);
        }
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    pub(crate) fn int(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(value.cast_unsigned());
        }
    }

    pub(crate) fn number(&mut self, field: u32, value: u32) {
        self.int(field, i64::from(value));
    }

    pub(crate) fn zigzag(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
        }
    }

    pub(crate) fn fixed(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, FIXED64);
            self.buffer.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(crate) fn flag(&mut self, field: u32, value: bool) {
        self.int(field, i64::from(value));
    }

    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.element(field, value);
        }
    }

    /// A member of a repeated field or a oneof, written even when it is empty.
    pub(crate) fn element(&mut self, field: u32, value: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(u64::try_from(value.len()).unwrap_or_default());
        self.buffer.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A number of a oneof, written even when it is zero.
    pub(crate) fn chosen_number(&mut self, field: u32, value: u32) {
        self.tag(field, VARINT);
        self.varint(u64::from(value));
    }

    /// A list of numbers, one after another in one field (packed).
    pub(crate) fn numbers(&mut self, field: u32, values: impl Iterator<Item = i64>) {
        let mut inner = Vec::new();
        let mut packed = Wire::new(&mut inner);
        // A negative number takes ten bytes, as its two's complement.
        values.for_each(|value| packed.varint(value.cast_unsigned()));
        self.bytes(field, &inner);
    }

    /// A text that is written as it is made.
    pub(crate) fn formatted(&mut self, field: u32, text: std::fmt::Arguments<'_>) {
        self.nested(field, |buffer| {
            // Writing to memory does not fail.
            std::io::Write::write_fmt(buffer, text).ok();
        });
    }

    /// A nested message: written in place, its length set afterwards.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Wire<'_>)) {
        self.nested(field, |buffer| write(&mut Wire { buffer }));
    }

    fn nested(&mut self, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.tag(field, LENGTH);
        let start = self.buffer.len();
        self.buffer.push(0);
        write(self.buffer);
        let content = start.saturating_add(1);
        let length = self.buffer.len().saturating_sub(content);
        let first = u8::try_from(length & 0x7f).unwrap_or_default();
        if let Some(place) = self.buffer.get_mut(start) {
            *place = if length < 0x80 { first } else { first | 0x80 };
        }
        if length >= 0x80 {
            // The length takes more bytes than were left for it: what follows moves on.
            self.varint(u64::try_from(length >> 7).unwrap_or_default());
            let added = self.buffer.len().saturating_sub(content).saturating_sub(length);
            if let Some(moved) = self.buffer.get_mut(content..) {
                moved.rotate_right(added);
            }
        }
    }
}
