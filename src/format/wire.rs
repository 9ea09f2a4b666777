//! Protobuf wire format, writing only: straight into the buffer that is hashed and stored, without an intermediate copy.

/// Appends protobuf fields to a buffer. Fields with default values are left out, as proto3 does.
pub(super) struct Wire<'a> {
    buffer: &'a mut Vec<u8>,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl<'a> Wire<'a> {
    pub(super) fn new(buffer: &'a mut Vec<u8>) -> Self {
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

    pub(super) fn int(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(value.cast_unsigned());
        }
    }

    pub(super) fn number(&mut self, field: u32, value: u32) {
        self.int(field, i64::from(value));
    }

    pub(super) fn zigzag(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
        }
    }

    pub(super) fn fixed(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, FIXED64);
            self.buffer.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn flag(&mut self, field: u32, value: bool) {
        self.int(field, i64::from(value));
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.element(field, value);
        }
    }

    /// A member of a repeated field or a oneof, written even when it is empty.
    pub(super) fn element(&mut self, field: u32, value: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(u64::try_from(value.len()).unwrap_or_default());
        self.buffer.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A number of a oneof, written even when it is zero.
    pub(super) fn chosen_number(&mut self, field: u32, value: u32) {
        self.tag(field, VARINT);
        self.varint(u64::from(value));
    }

    /// A list of numbers, one after another in one field (packed).
    pub(super) fn numbers(&mut self, field: u32, values: impl Iterator<Item = i64>) {
        let mut inner = Vec::new();
        let mut packed = Wire::new(&mut inner);
        // A negative number takes ten bytes, as its two's complement.
        values.for_each(|value| packed.varint(value.cast_unsigned()));
        self.bytes(field, &inner);
    }

    /// A nested message: written in place, its length set afterwards.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Wire<'_>)) {
        self.tag(field, LENGTH);
        let start = self.buffer.len();
        self.buffer.push(0);
        write(&mut Wire { buffer: self.buffer });
        let length = self.buffer.len().saturating_sub(start).saturating_sub(1);
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => {
                if let Some(place) = self.buffer.get_mut(start) {
                    *place = short;
                }
            }
            // Longer than one length byte: rare (large set-up events), so moving the tail costs nothing that matters.
            _ => {
                let tail = self.buffer.split_off(start.saturating_add(1));
                self.buffer.truncate(start);
                self.varint(u64::try_from(length).unwrap_or_default());
                self.buffer.extend_from_slice(&tail);
            }
        }
    }
}
