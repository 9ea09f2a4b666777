//! stub
use crate::domain::refusal::Reason;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Language {
    English,
    Chinese,
}
#[allow(missing_docs)]
impl Language {
    pub fn from_accept_language(_h: &str) -> Option<Self> {
        None
    }
    pub const fn tag(self) -> &'static str {
        "en"
    }
}
#[allow(missing_docs)]
pub fn refusal<'a>(_l: Language, reason: Reason, facts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    format!("{reason} {:?}", facts.collect::<Vec<_>>())
}
#[allow(missing_docs)]
pub fn remedy(_l: Language, _r: Reason) -> String {
    String::new()
}
