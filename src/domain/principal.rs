//! Who is at the other end of a connection: a person of an agency, as a certificate names them.

use std::fmt;

use super::ids::{ActorId, UnitId};

/// The scheme of identities (SPIFFE ID, section 2).
const SCHEME: &str = "spiffe://";
/// Longest name of a trust domain (SPIFFE ID, section 2.1).
const TRUST_DOMAIN_MAX_BYTES: usize = 255;

/// Whose certificates these are: one authority may sign for many systems, and only those of this domain are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// A name of lower-case letters, digits, dots, dashes and underscores; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
        let is_one = (1..=TRUST_DOMAIN_MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        is_one.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person of an agency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The agency or budget unit they act for.
    pub agency: UnitId,
    /// The person: the `actor` of what they post.
    pub actor: ActorId,
}

/// Why a name is not a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPrincipal {
    /// Another trust domain's, or no SPIFFE ID.
    Foreign,
    /// The trust domain's, but not `/agency/AGENCY/actor/ACTOR`.
    Malformed,
}

impl Principal {
    /// From `spiffe://TRUST-DOMAIN/agency/AGENCY/actor/ACTOR`. Nothing is decoded, folded or left out: two names of one person
    /// would be two persons.
    pub fn parse(name: &str, domain: &TrustDomain) -> Result<Self, NotAPrincipal> {
        let path = name.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(domain.0.as_str()));
        let path = path.and_then(|path| path.strip_prefix('/')).ok_or(NotAPrincipal::Foreign)?;
        let parts: Vec<&str> = path.split('/').collect();
        let ["agency", agency, "actor", actor] = parts[..] else { return Err(NotAPrincipal::Malformed) };
        // Dots would be taken for steps of a path by others who read the name.
        if [agency, actor].iter().any(|part| matches!(*part, "." | "..")) {
            return Err(NotAPrincipal::Malformed);
        }
        let agency = UnitId::parse(agency).map_err(|_| NotAPrincipal::Malformed)?;
        let actor = ActorId::parse(actor).map_err(|_| NotAPrincipal::Malformed)?;
        Ok(Self { agency, actor })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agency, self.actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_form_is_a_person() {
        let domain = TrustDomain::parse("ledger.example.org").unwrap();
        let parsed = |name: &str| Principal::parse(name, &domain).map(|found| found.to_string());
        let foreign = Err(NotAPrincipal::Foreign);
        let malformed = Err(NotAPrincipal::Malformed);
        for (name, expected) in [
            ("spiffe://ledger.example.org/agency/590499/actor/wang", Ok("590499/wang".to_owned())),
            ("spiffe://ledger.example.org/agency/a:b/actor/w.g_1-2", Ok("a:b/w.g_1-2".to_owned())),
            ("spiffe://ledger.example.org.evil/agency/a/actor/b", foreign.clone()),
            ("spiffe://LEDGER.example.org/agency/a/actor/b", foreign.clone()),
            ("SPIFFE://ledger.example.org/agency/a/actor/b", foreign.clone()),
            ("https://ledger.example.org/agency/a/actor/b", foreign.clone()),
            ("spiffe://other.example.org/agency/a/actor/b", foreign.clone()),
            ("spiffe://ledger.example.org", foreign.clone()),
            ("", foreign),
            ("spiffe://ledger.example.org/", malformed.clone()),
            ("spiffe://ledger.example.org/agency/a/actor/b/", malformed.clone()),
            ("spiffe://ledger.example.org/agency/a/actor/b?x", malformed.clone()),
            ("spiffe://ledger.example.org/agency/a/actor/%62", malformed.clone()),
            ("spiffe://ledger.example.org/agency//actor/b", malformed.clone()),
            ("spiffe://ledger.example.org/agency/../actor/b", malformed.clone()),
            ("spiffe://ledger.example.org//agency/a/actor/b", malformed.clone()),
            ("spiffe://ledger.example.org/actor/b/agency/a", malformed.clone()),
            ("spiffe://ledger.example.org/agency/a/actor/王", malformed),
        ] {
            assert_eq!(parsed(name), expected, "{name}");
        }
        for name in ["", "a/b", "A", "a:1", "a b"] {
            assert_eq!(TrustDomain::parse(name), None, "{name}");
        }
    }
}
