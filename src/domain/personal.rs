//! Personal data: what the log holds of it (commitments and pseudonyms, never a value), and what may be done with the values,
//! which lie in the vault.

use super::ids::{LegalBasis, PayeeRef, Sequence};
use super::numbered::numbered;
use super::time::Day;

numbered! {
    /// What a piece of personal data says about a person.
    PersonalField {
        /// Name, 姓名.
        Name = 1, "NAME";
        /// Identity document's number, 证件号码.
        IdentityNumber = 2, "IDENTITY_NUMBER";
        /// Bank account, 银行账号.
        BankAccount = 3, "BANK_ACCOUNT";
        /// Address, 住址.
        Address = 4, "ADDRESS";
        /// Telephone number, 联系电话.
        Telephone = 5, "TELEPHONE";
    }
}

/// Most characters of a value.
pub const VALUE_CHARACTERS_MAX: usize = 256;

/// A value of personal data: 1 to [`VALUE_CHARACTERS_MAX`] characters, none of them a control character. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalValue(Box<str>);

impl PersonalValue {
    /// Checks a value.
    pub fn parse(text: String) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().take(VALUE_CHARACTERS_MAX.saturating_add(1)).count() <= VALUE_CHARACTERS_MAX;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The value, to be sealed or shown to whom it was opened.
    pub const fn reveal(&self) -> &str {
        &self.0
    }
}

/// Stars of a masked name, at most: how long a name is says something as well.
const STARS_MAX: usize = 3;
/// Age from which on a person is no minor, years (未成年人保护法§2).
const OF_AGE_YEARS: i32 = 18;

impl PersonalValue {
    /// As a name that may be published (公示): the first character, and a star for each of the next ones, three at most.
    pub fn masked(&self) -> String {
        let mut characters = self.0.trim().chars();
        match (characters.next(), characters.count()) {
            (None, _) => String::new(),
            (Some(_), 0) => "*".to_owned(),
            (Some(first), others) => {
                std::iter::once(first).chain(std::iter::repeat_n('*', others.min(STARS_MAX))).collect()
            }
        }
    }

    /// Whether the person of this identity number was a minor on a day; `None` where the number does not say when they were
    /// born. Numbers of 18 digits have it as yyyymmdd in the seventh to fourteenth place, and the last digit, or X, checks
    /// the others (GB 11643); the old ones of 15 as yymmdd of the twentieth century.
    pub fn is_minor_on(&self, day: Day) -> Option<bool> {
        let number = self.0.trim();
        let born = match number.len() {
            18 if is_checked(number) => number.get(6..14).map(str::to_owned),
            15 => number.get(6..12).map(|born| format!("19{born}")),
            _ => None,
        }?;
        let part = |range: std::ops::Range<usize>| {
            let digits = born.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse::<i32>().ok()
        };
        let (year, month, of_month) = (part(0..4)?, part(4..6)?, part(6..8)?);
        // Days of the ledger begin later than people do.
        if !(1_800..=9_999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&of_month) {
            return None;
        }
        Some((year.saturating_add(OF_AGE_YEARS), month, of_month) > day.civil())
    }
}

/// Whether the last place of an identity number of 18 checks the others (ISO 7064, MOD 11-2).
fn is_checked(number: &str) -> bool {
    let value = |c: char| if matches!(c, 'X' | 'x') { Some(10) } else { c.to_digit(10) };
    let mut sum = 0_u32;
    for (at, c) in number.chars().enumerate() {
        let Some(value) = value(c).filter(|value| *value < 10 || at == 17) else { return false };
        sum = sum.saturating_mul(2).saturating_add(value).rem_euclid(11);
    }
    sum == 1
}

impl std::fmt::Debug for PersonalValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalValue(secret)")
    }
}

/// A piece of personal data, on its way into the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalDatum {
    /// About whom.
    pub party: PayeeRef,
    /// What it says.
    pub field: PersonalField,
    /// The value.
    pub value: PersonalValue,
}

/// What the log holds of a piece of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalCommitment {
    /// About whom.
    pub party: PayeeRef,
    /// What it says.
    pub field: PersonalField,
    /// HMAC-SHA-256 over the value under a nonce of its own: hides the value, and binds it.
    pub commitment: [u8; 32],
    /// Of a bank account its keyed pseudonym, so that persons who share one are found.
    pub account: Option<PayeeRef>,
}

/// Which personal data an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalScope {
    /// About whom.
    pub party: PayeeRef,
    /// First event whose data it is about.
    pub first: Sequence,
    /// Last event whose data it is about; `None` for all there are by then.
    pub last: Option<Sequence>,
}

/// An order about personal data, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonalData {
    /// Kept, and shown to nobody: a retention period runs, or the person objected (个人信息保护法 art. 47).
    Restrict(PersonalScope, LegalBasis),
    /// A restriction ends.
    Release(PersonalScope, LegalBasis),
    /// Values and nonces are destroyed for ever.
    Erase(PersonalScope, LegalBasis),
    /// One value is shown to an auditor.
    Open {
        /// Event that carries the commitment.
        sequence: Sequence,
        /// About whom.
        party: PayeeRef,
        /// What it says.
        field: PersonalField,
        /// Why.
        legal_basis: LegalBasis,
    },
}

impl PersonalData {
    /// Name of the command, as in the API.
    pub const fn command_name(&self) -> &'static str {
        match self {
            Self::Restrict(..) => "restrict_personal_data",
            Self::Release(..) => "release_personal_data",
            Self::Erase(..) => "erase_personal_data",
            Self::Open { .. } => "open_personal_data",
        }
    }

    /// About whom.
    pub const fn party(&self) -> PayeeRef {
        match self {
            Self::Restrict(scope, _) | Self::Release(scope, _) | Self::Erase(scope, _) => scope.party,
            Self::Open { party, .. } => *party,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> PersonalValue {
        PersonalValue::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn names_show_their_first_character_and_no_more() {
        for (name, masked) in [
            ("张三", "张*"),
            ("欧阳娜娜", "欧***"),
            ("买买提·艾力·阿不都", "买***"),
            ("John Smith", "J***"),
            ("李", "*"),
            (" 王五 ", "王*"),
            (" ", ""),
        ] {
            assert_eq!(value(name).masked(), masked);
        }
    }

    #[test]
    fn a_person_is_of_age_on_their_eighteenth_birthday() {
        let day = |year, month, day| Day::new(year, month, day).unwrap();
        let born_2008 = value("110105200812310020");
        assert_eq!(born_2008.is_minor_on(day(2026, 12, 30)), Some(true));
        assert_eq!(born_2008.is_minor_on(day(2026, 12, 31)), Some(false));
        let born_on_a_leap_day = value("11010520080229002x");
        assert_eq!(born_on_a_leap_day.is_minor_on(day(2026, 2, 28)), Some(true));
        assert_eq!(born_on_a_leap_day.is_minor_on(day(2026, 3, 1)), Some(false));
        // A number from the standard itself, GB 11643-1999; and as it was before.
        assert_eq!(value("11010519491231002X").is_minor_on(day(2026, 1, 1)), Some(false));
        assert_eq!(value("110105491231002").is_minor_on(day(2026, 1, 1)), Some(false));
        for unknown in
            ["110105194912310021", "11010519491331002X", "passport", "1101051949123100", "1X0105194912310021"]
        {
            assert_eq!(value(unknown).is_minor_on(day(2026, 1, 1)), None, "{unknown}");
        }
    }
}
