//! Where a call stands in a trace (W3C Trace Context).

use std::fmt;

use crate::domain::time::UtcNanos;

/// The id of a trace; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

impl TraceId {
    /// Of a number; 0, which is no id, becomes 1.
    pub(super) fn new(number: u128) -> Self {
        Self(number.max(1))
    }

    /// As it goes over the wire.
    pub(super) const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// The id of a span; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

impl SpanId {
    /// Of a number; 0, which is no id, becomes 1.
    pub(super) fn new(number: u64) -> Self {
        Self(number.max(1))
    }

    /// As it goes over the wire.
    pub(super) const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// What a caller says of its trace, in `traceparent`: its span is the parent of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent_id: SpanId,
    /// Whether the caller's span is recorded.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads the metadata of that name; nothing, where it is not well formed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may go on after the flags; version 00 may not, and ff is none.
        if version == "ff" || version == "00" && parts.next().is_some() {
            return None;
        }
        hexadecimal(version, 2)?;
        let trace_id = hexadecimal(trace_id, 32).filter(|number| *number != 0)?;
        let parent_id = hexadecimal(parent_id, 16).filter(|number| *number != 0)?;
        let is_sampled = hexadecimal(flags, 2)? & 1 == 1;
        Some(Self { trace_id: TraceId(trace_id), parent_id: SpanId(u64::try_from(parent_id).ok()?), is_sampled })
    }
}

/// The span of a call, which is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSpan {
    /// Its id.
    pub id: SpanId,
    /// When the call began.
    pub began: UtcNanos,
}

/// Where a call stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span, if the caller has one.
    pub parent_id: Option<SpanId>,
    /// Our own span, if it is exported.
    pub own: Option<OwnSpan>,
}

impl From<TraceParent> for Place {
    /// In its caller's trace, without a span of its own.
    fn from(caller: TraceParent) -> Self {
        Self { trace_id: caller.trace_id, parent_id: Some(caller.parent_id), own: None }
    }
}

/// A number of so many digits, of which the letters are small.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_well_formed = text.len() == digits && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    is_well_formed.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_taken_over_if_they_are_well_formed() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let found = |text: &str| {
            TraceParent::parse(text)
                .map(|found| (found.trace_id.to_string(), found.parent_id.to_string(), found.is_sampled))
        };
        let whole = |is_sampled| Some((trace.to_owned(), parent.to_owned(), is_sampled));
        for (text, expected) in [
            (format!("00-{trace}-{parent}-01"), whole(true)),
            (format!("00-{trace}-{parent}-00"), whole(false)),
            (format!("00-{trace}-{parent}-03"), whole(true)),
            (format!("01-{trace}-{parent}-02-more"), whole(false)),
            (format!("00-{trace}-{parent}-01-more"), None),
            (format!("ff-{trace}-{parent}-01"), None),
            (format!("0-{trace}-{parent}-01"), None),
            (format!("00-{}-{parent}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), None),
            (format!("00-+{}-{parent}-01", &trace[1..]), None),
            (format!("00-{trace}-{parent}"), None),
            (format!("00-{trace}-{parent}-0"), None),
            (String::new(), None),
        ] {
            assert_eq!(found(&text), expected, "{text}");
        }
    }
}
