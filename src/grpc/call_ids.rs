//! What a call is known by: an id in every line of the log, in the answer and in errors, and the trace that it belongs to.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};

/// Metadata that carries the id of a call, in both directions.
pub(super) const REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";
/// Longest id that is taken over.
const ID_BYTES_MAX: usize = 64;

/// The id of a call: 1 to 64 of `[A-Za-z0-9._:-]`, so that it can stand in a line of any log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallId(HeaderValue);

impl CallId {
    /// As text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As metadata.
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The caller's own, if it is well formed.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(REQUEST_ID)?;
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
        let is_well_formed = (1..=ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(is_allowed);
        is_well_formed.then(|| Self(value.clone()))
    }
}

/// Makes ids for calls that bring none: no two of one process are the same, and hardly two of any.
#[derive(Debug)]
pub(super) struct CallIds {
    process: u64,
    next: AtomicU64,
}

impl CallIds {
    pub(super) fn new() -> Self {
        // Without random bytes ids repeat after a restart, which confuses a reader of logs and nobody else.
        Self { process: getrandom::u64().unwrap_or_default(), next: AtomicU64::new(1) }
    }

    /// The caller's id, or one of our own.
    pub(super) fn of(&self, headers: &HeaderMap) -> CallId {
        CallId::of(headers).unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let made = HeaderValue::try_from(format!("{:016x}-{number:x}", self.process));
            // Digits and a hyphen are a value.
            CallId(made.unwrap_or_else(|_| HeaderValue::from_static("-")))
        })
    }
}

/// Where a call stands in a trace (W3C Trace Context, version 00): the caller's span is the parent of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceParent<'a> {
    /// 32 hexadecimal digits.
    pub(super) trace_id: &'a str,
    /// 16 hexadecimal digits.
    pub(super) parent_id: &'a str,
}

impl<'a> TraceParent<'a> {
    /// That of a call, if it brings one that is well formed.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        Self::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may go on after the flags; version 00 may not, and ff is none.
        let has_known_end = version != "00" || parts.next().is_none();
        let is_hexadecimal = |part: &str, digits: usize| {
            part.len() == digits && part.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        };
        let is_id = |part: &str, digits: usize| is_hexadecimal(part, digits) && part.bytes().any(|byte| byte != b'0');
        let is_well_formed = is_hexadecimal(version, 2)
            && version != "ff"
            && is_id(trace_id, 32)
            && is_id(parent_id, 16)
            && is_hexadecimal(flags, 2)
            && has_known_end;
        is_well_formed.then_some(Self { trace_id, parent_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_callers_are_taken_over_if_they_are_well_formed() {
        let ids = CallIds::new();
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            ids.of(&headers).as_str().to_owned()
        };
        for taken in ["a", "0af7651916cd43dd-8448.eb:211_", &"x".repeat(64)] {
            let taken = taken.replace('_', "");
            assert_eq!(of(taken.as_bytes()), taken);
        }
        let mut made = std::collections::BTreeSet::new();
        for refused in ["", "a b", "a\tb", "\"", "{}", "张", "level=ERROR", &"x".repeat(65)] {
            let id = of(refused.as_bytes());
            assert!(id.len() >= 18 && id != refused, "{refused}: {id}");
            assert!(made.insert(id), "no two are the same");
        }
    }

    #[test]
    fn traces_are_taken_over_if_they_are_well_formed() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let found =
            |text: &str| TraceParent::parse(text).map(|found| (found.trace_id.to_owned(), found.parent_id.to_owned()));
        let whole = Some((trace.to_owned(), parent.to_owned()));
        for (text, expected) in [
            (format!("00-{trace}-{parent}-01"), &whole),
            (format!("00-{trace}-{parent}-00"), &whole),
            (format!("01-{trace}-{parent}-01-more"), &whole),
            (format!("00-{trace}-{parent}-01-more"), &None),
            (format!("ff-{trace}-{parent}-01"), &None),
            (format!("00-{}-{parent}-01", "0".repeat(32)), &None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), &None),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), &None),
            (format!("00-{trace}-{parent}"), &None),
            (format!("00-{trace}-{parent}-0"), &None),
            (String::new(), &None),
        ] {
            assert_eq!(&found(&text), expected, "{text}");
        }
    }
}
