//! The id of a call, in every line of the log about it, in the answer and in errors.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};

/// Metadata that carries the id of a call, in both directions.
pub(super) const REQUEST_ID: &str = "x-request-id";
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
}
