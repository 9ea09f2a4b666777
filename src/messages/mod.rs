//! Messages for people, in English and Chinese, from catalogues.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

use crate::domain::refusal::Reason;

pub(crate) mod cli;

/// A language that there is a catalogue for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// 中文.
    Chinese,
}

impl Language {
    /// From a language tag such as `en`, `en-GB`, `zh` or `zh-CN`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next().map(str::to_ascii_lowercase).as_deref() {
            Some("en") => Some(Self::English),
            Some("zh") => Some(Self::Chinese),
            Some(_) | None => None,
        }
    }

    /// From an `Accept-Language` header (RFC 9110 section 12.5.4): the known language with the highest weight, the first of
    /// equals.
    pub fn from_accept_language(header: &str) -> Option<Self> {
        let mut best: Option<(u32, Self)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';');
            let language = parts.next().and_then(|tag| Self::from_tag(tag.trim()));
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1_000), weight_per_mille);
            if let (Some(language), Some(weight)) = (language, weight)
                && weight > best.map_or(0, |(weight, _)| weight)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// The language tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    fn catalogue(self) -> &'static FluentBundle<FluentResource> {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

/// `0.8` as 800; `None` for what is no weight.
fn weight_per_mille(text: &str) -> Option<u32> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = format!("{fraction:0<3}");
    let thousandths: u32 = digits.get(..3)?.parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(thousandths).filter(|weight| *weight <= 1_000)
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::English, &[include_str!("en.ftl"), include_str!("cli.en.ftl")]));
static CHINESE: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| {
    bundle(
        Language::Chinese,
        &[
            include_str!("zh-CN.ftl"),
            include_str!("cli.zh-CN.ftl"),
            include_str!("help.zh-CN.ftl"),
            include_str!("faults.zh-CN.ftl"),
        ],
    )
});

fn bundle(language: Language, catalogues: &[&str]) -> FluentBundle<FluentResource> {
    let identifier: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // The marks that isolate directions would stand in log lines and in tables.
    bundle.set_use_isolating(false);
    // A faulty line loses its own message only; a test finds it.
    for catalogue in catalogues {
        let resource = FluentResource::try_new((*catalogue).to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// A text of the catalogue; its id where there is none.
pub fn text(language: Language, id: &str, arguments: &[(&str, &str)]) -> String {
    let (id, attribute) = id.split_once('.').map_or((id, None), |(id, attribute)| (id, Some(attribute)));
    let bundle = language.catalogue();
    let message = bundle.get_message(id);
    let pattern = match attribute {
        None => message.and_then(|message| message.value()),
        Some(name) => message.and_then(|message| message.get_attribute(name)).map(|attribute| attribute.value()),
    };
    let Some(pattern) = pattern else { return id.to_owned() };
    let mut values = FluentArgs::new();
    for (name, value) in arguments {
        values.set(*name, *value);
    }
    bundle.format_pattern(pattern, Some(&values), &mut Vec::new()).into_owned()
}

/// One sentence for a refusal: the cause, then the facts.
pub fn refusal<'a>(language: Language, reason: Reason, facts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let cause = text(language, &format!("reason-{reason}"), &[]);
    let (colon, comma, end) = match language {
        Language::English => (": ", ", ", "."),
        Language::Chinese => ("：", "，", "。"),
    };
    let mut sentence = cause;
    for (at, (name, value)) in facts.enumerate() {
        sentence.push_str(if at == 0 { colon } else { comma });
        sentence.push_str(&label(language, name));
        sentence.push(' ');
        sentence.push_str(value);
    }
    sentence.push_str(end);
    sentence
}

/// What an auditor found, in Chinese: by the English sentence with its gaps `{}`, and what stands in them. `None` where the
/// catalogue does not have the sentence.
pub(crate) fn found_in_chinese(sentence: &str, values: &[String]) -> Option<String> {
    let known = |id: String, arguments: &[(&str, &str)]| {
        let told = text(Language::Chinese, &id, arguments);
        (told != id).then_some(told)
    };
    let values: Vec<String> = values
        .iter()
        .map(|value| known(format!("value-{}", slug(value)), &[]).unwrap_or_else(|| value.clone()))
        .collect();
    let arguments: Vec<(&str, &str)> = ["a", "b", "c"].into_iter().zip(values.iter().map(String::as_str)).collect();
    known(format!("found-{}", slug(sentence)), &arguments)
}

/// The words of a sentence, without its gaps, joined by hyphens.
fn slug(sentence: &str) -> String {
    let words = sentence.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Whether a refusal is on record, and so has used up its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is.
    Kept,
    /// It is not: the command may be sent again as it is.
    None,
    /// Nobody would look for it: a question was asked.
    NotAsked,
}

/// What to do about it.
pub fn remedy(language: Language, reason: Reason, record: Record) -> String {
    let record = match record {
        Record::Kept => text(language, "record-kept", &[]),
        Record::None => text(language, "record-none", &[]),
        Record::NotAsked => String::new(),
    };
    text(language, &format!("reason-{reason}.remedy"), &[("record", &record)]).trim_end().to_owned()
}

/// The name of a fact as people read it; the name itself where the catalogue has none.
pub(crate) fn label(language: Language, name: &str) -> String {
    let id = format!("fact-{name}");
    let found = text(language, &id, &[]);
    if found == id { name.to_owned() } else { found }
}

/// Every id of the Chinese help, attributes as `id.attribute`.
#[cfg(test)]
pub(crate) fn ids_of_help() -> std::collections::BTreeSet<String> {
    tests::ids(include_str!("help.zh-CN.ftl"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

    use super::*;

    const CATALOGUES: [(Language, &str); 2] =
        [(Language::English, include_str!("en.ftl")), (Language::Chinese, include_str!("zh-CN.ftl"))];

    const PAIRS: [(&str, &str); 2] = [
        (include_str!("en.ftl"), include_str!("zh-CN.ftl")),
        (include_str!("cli.en.ftl"), include_str!("cli.zh-CN.ftl")),
    ];

    /// Each message and attribute, with its variables.
    fn variables(catalogue: &'static str) -> BTreeMap<String, BTreeSet<&'static str>> {
        let parsed = fluent_syntax::parser::parse(catalogue).expect("a catalogue that parses");
        let mut found = BTreeMap::new();
        let mut put = |id: String, pattern: &Pattern<&'static str>| {
            let names = pattern.elements.iter().filter_map(|element| match element {
                PatternElement::Placeable {
                    expression: Expression::Inline(InlineExpression::VariableReference { id }),
                } => Some(id.name),
                PatternElement::TextElement { .. } => None,
                PatternElement::Placeable { expression } => panic!("{id}: {expression:?}"),
            });
            let names = names.collect();
            assert!(found.insert(id.clone(), names).is_none(), "{id} stands twice");
        };
        for entry in &parsed.body {
            let Entry::Message(message) = entry else { continue };
            put(message.id.name.to_owned(), message.value.as_ref().expect("a text"));
            for attribute in &message.attributes {
                put(format!("{}.{}", message.id.name, attribute.id.name), &attribute.value);
            }
        }
        found
    }

    pub(super) fn ids(catalogue: &'static str) -> BTreeSet<String> {
        variables(catalogue).into_keys().collect()
    }

    #[test]
    fn catalogues_have_the_same_messages_with_the_same_variables() {
        for (english, chinese) in PAIRS {
            let (english, chinese) = (variables(english), variables(chinese));
            assert!(english.len() > 50);
            for (id, names) in &english {
                assert_eq!(Some(names), chinese.get(id), "{id}");
            }
            assert_eq!(english.len(), chinese.len(), "the Chinese catalogue has messages that the English has not");
        }
    }

    #[test]
    fn every_chinese_text_is_chinese() {
        // Names, arithmetic and units stay what they are.
        let same: BTreeSet<&str> = ["bench-micros", "report-fault"].into();
        for (english, chinese) in PAIRS {
            let text = |language, id: &String| text(language, id, &[]);
            for id in ids(english).intersection(&ids(chinese)) {
                let text = text(Language::Chinese, id);
                let has_chinese = text.chars().any(|char| ('\u{4e00}'..='\u{9fff}').contains(&char));
                assert!(has_chinese || same.contains(id.as_str()), "{id} = {text}");
            }
        }
    }

    #[test]
    fn every_reason_has_a_message_and_a_remedy() {
        for (language, catalogue) in CATALOGUES {
            for reason in Reason::ALL {
                let id = format!("reason-{reason}");
                assert!(ids(catalogue).contains(id.as_str()), "{id} in {language:?}");
                assert_ne!(remedy(language, *reason, Record::Kept), id, "{id}.remedy in {language:?}");
            }
        }
    }

    #[test]
    fn a_remedy_speaks_of_the_record_that_there_is() {
        let told = |record| remedy(Language::English, Reason::LotExpired, record);
        let asked = told(Record::NotAsked);
        assert!(!asked.is_empty() && asked.ends_with('.'), "{asked}");
        for (record, end) in [(Record::Kept, "under a new key."), (Record::None, "under the same key.")] {
            let told = told(record);
            assert!(told.starts_with(&asked) && told.ends_with(end), "{told}");
        }
        // What is never on record says so by itself, or not at all.
        let never = |record| remedy(Language::English, Reason::FieldInvalid, record);
        assert_eq!(never(Record::Kept), never(Record::NotAsked));
        for (_, catalogue) in CATALOGUES {
            let lines = |sentence: &str| catalogue.lines().filter(|line| line.contains(sentence)).count();
            for kept in ["on record under this key", "已记录并占用该幂等键"] {
                assert!(lines(kept) <= 1, "`$record` says that");
            }
        }
    }

    #[test]
    fn every_sentence_of_the_audit_is_in_the_chinese_catalogue_and_no_other_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/audit");
        let folders = [root.clone(), root.join("books")];
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for file in files.filter(|file| file.extension().is_some_and(|suffix| suffix == "rs")) {
            let source = fs::read_to_string(file).unwrap();
            for call in source.split("fact!(").skip(1) {
                let Some(sentence) = call.trim_start().strip_prefix('"') else { continue };
                let sentence = sentence.split('"').next().unwrap();
                expected.insert(format!("found-{}", slug(sentence)), sentence.matches("{}").count());
            }
        }
        assert!(expected.len() > 90, "the audit was not read");
        let mut found = variables(include_str!("faults.zh-CN.ftl"));
        found.retain(|id, _| id.starts_with("found-"));
        for (id, gaps) in &expected {
            let names = found.remove(id).unwrap_or_else(|| panic!("{id} is not in faults.zh-CN.ftl"));
            assert_eq!(names, ["a", "b", "c"].into_iter().take(*gaps).collect(), "{id}");
        }
        assert!(found.is_empty(), "nothing says {found:?}");
    }

    #[test]
    fn findings_are_told_in_chinese() {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let told = found_in_chinese("debits and credits of the {} book differ by {}", &values(&["cash", "-5"]));
        assert_eq!(told.as_deref(), Some("现金账借贷相差 -5"));
        assert_eq!(found_in_chinese("no such sentence", &[]), None);
    }

    #[test]
    fn every_fact_of_a_rule_has_a_label() {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain/decide");
        let mut names = BTreeSet::new();
        for file in fs::read_dir(rules).unwrap() {
            let source = fs::read_to_string(file.unwrap().path()).unwrap();
            for part in source.split(".with(\"").skip(1) {
                names.insert(part.split('"').next().unwrap().to_owned());
            }
        }
        assert!(names.len() > 30, "the rules were not read");
        for (language, catalogue) in CATALOGUES {
            for name in &names {
                assert!(ids(catalogue).contains(format!("fact-{name}").as_str()), "fact-{name} in {language:?}");
            }
        }
    }

    #[test]
    fn sentences_read_well() {
        let facts = || [("account", "a.A.plan"), ("available_minor", "30000000"), ("lot", "LOT-C")].into_iter();
        assert_eq!(
            refusal(Language::English, Reason::LotInsufficient, facts()),
            "The lot's balance in the account does not cover the amount: account a.A.plan, available (minor units) 30000000, \
             lot LOT-C."
        );
        assert_eq!(
            refusal(Language::Chinese, Reason::LotInsufficient, facts()),
            "批次余额不足：账户 a.A.plan，可用金额（最小货币单位） 30000000，批次 LOT-C。"
        );
        assert_eq!(text(Language::English, "no-such-message", &[]), "no-such-message");
    }

    #[test]
    fn languages_are_chosen_by_weight() {
        for (header, expected) in [
            ("en", Some(Language::English)),
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Chinese)),
            ("fr, en;q=0.3, zh;q=0.7", Some(Language::Chinese)),
            ("zh;q=0, en;q=0.1", Some(Language::English)),
            ("fr", None),
            ("", None),
            (";;q=,,en;q=x", None),
        ] {
            assert_eq!(Language::from_accept_language(header), expected, "{header:?}");
        }
    }
}
