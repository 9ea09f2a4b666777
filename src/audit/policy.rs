//! Whom an auditor believes: the log's key, the witnesses, and how many of them must have seen a checkpoint (C2SP
//! tlog-policy). It comes from the auditor, never from the ledger.

use thiserror::Error;

use super::note::{KeyKind, NoteKey, Signer};

/// Longest policy that is read.
pub const POLICY_BYTES_MAX: usize = 1 << 18;
/// Name of the quorum that nobody is needed for.
const NONE: &str = "none";

/// A line of a policy that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the policy: {what}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// A log or a witness, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name in the policy; of a log, the key's.
    pub name: String,
    /// Its key.
    pub key: NoteKey,
    /// Its address, if the policy says so.
    pub url: Option<String>,
}

/// One or several witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group { threshold: usize, members: Vec<usize> },
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    /// Witnesses and groups, each after what it consists of.
    members: Vec<Member>,
    /// The member whose consent is needed; nobody's where there is none.
    quorum: Option<usize>,
}

impl Policy {
    /// Parses a policy.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut parser = Parser::default();
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError { line: 1, what: "the policy is too long" });
        }
        for (number, line) in (1..).zip(text.lines()) {
            parser.line(line).map_err(|what| PolicyError { line: number, what })?;
        }
        let end = |what| PolicyError { line: text.lines().count().max(1), what };
        if parser.logs.is_empty() {
            return Err(end("no log is named"));
        }
        let quorum = match parser.quorum {
            Quorum::Unnamed => return Err(end("no quorum is named; `quorum none` needs nobody")),
            Quorum::Nobody => None,
            Quorum::Member(at) => Some(at),
        };
        let members = parser.members.into_iter().map(|(_, member)| member).collect();
        Ok(Self { logs: parser.logs, witnesses: parser.witnesses, members, quorum })
    }

    /// The logs.
    pub fn logs(&self) -> &[Party] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Party] {
        &self.witnesses
    }

    /// Whether anybody is needed besides the log.
    pub const fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether those who signed are enough.
    pub fn is_met(&self, signers: &[Signer<'_>]) -> bool {
        // A group comes after its members, so that one pass counts.
        let mut consents: Vec<bool> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let consents_here = match member {
                Member::Witness(at) => {
                    let witness = self.witnesses.get(*at);
                    witness.is_some_and(|witness| signers.iter().any(|signer| *signer.key == witness.key))
                }
                Member::Group { threshold, members } => {
                    let consenting = members.iter().filter(|at| consents.get(**at).copied().unwrap_or(false)).count();
                    consenting >= *threshold
                }
            };
            consents.push(consents_here);
        }
        self.quorum.is_none_or(|at| consents.get(at).copied().unwrap_or(false))
    }
}

/// The line that says who is needed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quorum {
    #[default]
    Unnamed,
    Nobody,
    Member(usize),
}

#[derive(Default)]
struct Parser {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    members: Vec<(String, Member)>,
    /// Members of a group: nobody is counted twice.
    taken: Vec<usize>,
    quorum: Quorum,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(()) };
        let words: Vec<&str> = words.collect();
        match (keyword, words.as_slice()) {
            ("log", [key, url @ ..]) if url.len() <= 1 => self.log(key, url.first().copied()),
            ("witness", [name, key, url @ ..]) if url.len() <= 1 => self.witness(name, key, url.first().copied()),
            ("group", [name, threshold, members @ ..]) => self.group(name, threshold, members),
            ("quorum", [name]) => self.set_quorum(name),
            ("log" | "witness" | "group" | "quorum", _) => Err("words are missing, or there are too many"),
            _ => Err("it begins with none of log, witness, group and quorum"),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), &'static str> {
        let party = self.party(None, key, url, KeyKind::Log)?;
        self.logs.push(party);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), &'static str> {
        self.is_new(name)?;
        let party = self.party(Some(name), key, url, KeyKind::Witness)?;
        self.members.push((name.to_owned(), Member::Witness(self.witnesses.len())));
        self.witnesses.push(party);
        Ok(())
    }

    fn party(&self, name: Option<&str>, key: &str, url: Option<&str>, kind: KeyKind) -> Result<Party, &'static str> {
        let key = NoteKey::parse(key).map_err(|_| "it names no key that can be believed")?;
        if key.kind() != kind {
            return Err("the key is of another kind: a log's and a witness's are not the same");
        }
        // One key is one voice, whatever names it has.
        if self.logs.iter().chain(&self.witnesses).any(|other| other.key.is_same_key(&key)) {
            return Err("the key stands here already");
        }
        let name = name.map_or_else(|| key.name().to_owned(), str::to_owned);
        Ok(Party { name, key, url: url.map(str::to_owned) })
    }

    fn is_new(&self, name: &str) -> Result<(), &'static str> {
        let is_taken = name == NONE || self.members.iter().any(|(other, _)| other == name);
        if is_taken { Err("the name is taken") } else { Ok(()) }
    }

    fn find(&self, name: &str) -> Result<usize, &'static str> {
        self.members.iter().position(|(other, _)| other == name).ok_or("it names something that does not stand above")
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), &'static str> {
        self.is_new(name)?;
        let threshold = match threshold {
            "all" => names.len(),
            "any" => 1,
            number => {
                let parsed: Option<usize> = number.parse().ok().filter(|parsed: &usize| parsed.to_string() == number);
                parsed.ok_or("the threshold is neither all, any nor a number")?
            }
        };
        if !(1..=names.len()).contains(&threshold) {
            return Err("the threshold is not from 1 to the number of members");
        }
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let at = self.find(name)?;
            if self.taken.contains(&at) {
                return Err("a member stands in a group already");
            }
            self.taken.push(at);
            members.push(at);
        }
        self.members.push((name.to_owned(), Member::Group { threshold, members }));
        Ok(())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), &'static str> {
        if self.quorum != Quorum::Unnamed {
            return Err("there is a quorum already");
        }
        self.quorum = if name == NONE { Quorum::Nobody } else { Quorum::Member(self.find(name)?) };
        Ok(())
    }
}
