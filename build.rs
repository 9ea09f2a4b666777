//! Generates the wire types from `proto/`, without a system protoc, and a function for each text of the command line.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::{env, error::Error, fs, path::Path, path::PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use prost::Message;

/// The catalogue that the functions are made from; a test holds the others to it.
const TEXTS: &str = "src/messages/cli.en.ftl";

fn main() -> Result<(), Box<dyn Error>> {
    let output = PathBuf::from(env::var("OUT_DIR")?);
    wire_types(&output)?;
    texts(&output)
}

fn wire_types(output: &Path) -> Result<(), Box<dyn Error>> {
    let files = [
        "proto/fundledger/v1/reason.proto",
        "proto/fundledger/v1/event.proto",
        "proto/fundledger/v1/ledger.proto",
        "proto/fundledger/v1/query.proto",
        "proto/fundledger/v1/audit.proto",
        "proto/fundledger/v1/personal_data.proto",
        // What errors carry: reflection shows it, so that generic clients can read it.
        "proto/google/rpc/error_details.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    fs::write(output.join("fundledger.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".fundledger")
        // A request holds up to 8,192 commands side by side: unboxed, each would take the room of the largest.
        .boxed(".fundledger.v1.Command.payload")
        .boxed(".fundledger.v1.Operation.operation")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(descriptors)?;
    Ok(())
}

/// `word-yes = yes` becomes `word_yes(language)`; each variable becomes an argument, in alphabetical order.
fn texts(output: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={TEXTS}");
    let catalogue = fs::read_to_string(TEXTS)?;
    let parsed = fluent_syntax::parser::parse(catalogue.as_str())
        .map_err(|(_, errors)| format!("{TEXTS}: {}", errors.first().map(ToString::to_string).unwrap_or_default()))?;
    let mut code = String::new();
    for entry in &parsed.body {
        let Entry::Message(message) = entry else { continue };
        let (id, Some(pattern)) = (message.id.name, &message.value) else {
            return Err(format!("{TEXTS}: {} has no text", message.id.name).into());
        };
        let (mut arguments, mut values) = (String::new(), String::new());
        for name in variables(pattern)? {
            write!(arguments, ", {name}: impl std::fmt::Display")?;
            write!(values, "(\"{name}\", &{name}.to_string()), ")?;
        }
        writeln!(
            code,
            "pub(crate) fn {}(language: impl Into<super::Language>{arguments}) -> String {{\n    \
             super::text(language.into(), \"{id}\", &[{values}])\n}}",
            id.replace('-', "_")
        )?;
    }
    fs::write(output.join("texts.rs"), code)?;
    Ok(())
}

fn variables<'a>(pattern: &Pattern<&'a str>) -> Result<BTreeSet<&'a str>, Box<dyn Error>> {
    let mut found = BTreeSet::new();
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { .. } => {}
            PatternElement::Placeable {
                expression: Expression::Inline(InlineExpression::VariableReference { id }),
            } => {
                found.insert(id.name);
            }
            PatternElement::Placeable { expression } => {
                return Err(format!("{TEXTS}: only variables stand in braces: {expression:?}").into());
            }
        }
    }
    Ok(found)
}
