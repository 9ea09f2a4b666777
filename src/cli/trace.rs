//! `trace`: money followed forwards from a lot, or backwards from a payment or a payee.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::balance::{position_json, write_position};
use super::connect::{self, Connection};
use super::render::{self, account_kind, account_kind_label, date, decimal, exponent, grouped};
use super::{Failure, Format, Globals, Lang};
use crate::audit::printable::printable;
use crate::messages::cli as text;
use crate::pb::v1::trace_request::Start;
use crate::pb::v1::trace_response::Part;
use crate::pb::v1::{TraceClass, TraceHead, TraceNode, TraceNodeKind, TraceRequest};

/// Arguments of `trace`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("start").required(true))]
pub struct TraceArgs {
    /// Forwards: where this lot's money went.
    #[arg(long, value_name = "ID", group = "start")]
    pub lot: Option<String>,
    /// Backwards: where this payment's money came from.
    #[arg(long, value_name = "ID", group = "start")]
    pub payment: Option<String>,
    /// Backwards: where the money of this payee came from; the name as used in posting.
    #[arg(long, value_name = "NAME", group = "start")]
    pub payee: Option<String>,
    /// As it was at this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    pub as_of: Option<i64>,
    /// Show this many levels only (tree).
    #[arg(long, value_name = "LEVELS")]
    pub depth: Option<usize>,
}

/// Runs `trace`.
pub fn run(globals: &Globals, args: &TraceArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Tree, Format::Json, Format::Csv, Format::Dot])?;
    let start = match (&args.lot, &args.payment, &args.payee) {
        (Some(lot), _, _) => Start::LotId(lot.clone()),
        (_, Some(payment), _) => Start::PaymentId(payment.clone()),
        (_, _, Some(payee)) => Start::Payee(payee.clone()),
        (None, None, None) => return Err(Failure::Usage(text::trace_start_missing(globals.lang))),
    };
    let trace = connect::with(globals, async |connection| fetch(connection, start, args.as_of).await)?;
    match format {
        Format::Json => render::json(out, &trace.to_json()),
        Format::Csv => trace.write_csv(out),
        Format::Dot => trace.write_dot(out),
        Format::Tree | Format::Table | Format::Xlsx => {
            trace.write_tree(out, args.depth.unwrap_or(usize::MAX), globals.lang)?;
            write_position(out, &trace.head.position.clone().unwrap_or_default(), globals.lang)
        }
    }
}

async fn fetch(connection: &Connection, start: Start, as_of_sequence: Option<i64>) -> Result<Trace, Failure> {
    let request = TraceRequest { start: Some(start), as_of_sequence, min_sequence: None };
    let answer = connection.query().trace(connection.request(request)).await;
    let mut stream = answer.map_err(|status| connection.failure(&status))?.into_inner();
    let mut head = None;
    let mut nodes = Vec::new();
    while let Some(message) = stream.message().await.map_err(|status| connection.failure(&status))? {
        match message.part {
            Some(Part::Head(first)) => head = Some(first),
            Some(Part::Nodes(more)) => nodes.extend(more.nodes),
            None => {}
        }
    }
    let head = head.ok_or_else(|| Failure::Unavailable(text::trace_without_head(connection.lang())))?;
    if i64::try_from(nodes.len()) != Ok(head.node_count) {
        let why = text::trace_incomplete(connection.lang(), nodes.len(), head.node_count);
        return Err(Failure::Unavailable(why));
    }
    Ok(Trace { head, nodes })
}

/// A whole trace.
#[derive(Clone, Debug)]
struct Trace {
    head: TraceHead,
    nodes: Vec<TraceNode>,
}

impl Trace {
    fn exponent(&self) -> u32 {
        exponent(self.head.currency_exponent)
    }

    fn write_tree(&self, out: &mut dyn Write, depth: usize, lang: Lang) -> Result<(), Failure> {
        let mut children: BTreeMap<i64, Vec<&TraceNode>> = BTreeMap::new();
        for node in &self.nodes {
            children.entry(node.parent_number).or_default().push(node);
        }
        // Lines first, so that the amounts can stand in one column.
        let mut lines = Vec::new();
        let mut open: Vec<(&TraceNode, String, String, usize)> = Vec::new();
        for root in children.get(&0).into_iter().flatten().rev() {
            open.push((root, String::new(), String::new(), 1));
        }
        // Parents come before their children, so a walk ends even if a server sent nonsense.
        while let Some((node, lead, below, level)) = open.pop() {
            lines.push((
                format!("{lead}{}", printable(&name(node, lang))),
                grouped(node.amount_minor.into(), self.exponent()),
                printable(&note(node)),
            ));
            if level >= depth {
                continue;
            }
            let under = children.get(&node.node_number).map(Vec::as_slice).unwrap_or_default();
            let under = under.iter().filter(|child| child.node_number > node.node_number);
            for (index, child) in under.rev().enumerate() {
                let last = index == 0;
                let lead = format!("{below}{}", if last { "└─ " } else { "├─ " });
                let below = format!("{below}{}", if last { "   " } else { "│  " });
                open.push((child, lead, below, level.saturating_add(1)));
            }
        }
        let name_width = lines.iter().map(|(name, _, _)| width(name)).max().unwrap_or(0);
        let amount_width = lines.iter().map(|(_, amount, _)| amount.len()).max().unwrap_or(0);
        for (name, amount, note) in lines {
            let gap = " ".repeat(name_width.saturating_sub(width(&name)));
            let line = format!("{name}{gap}  {amount:>amount_width$} {} {note}", printable(&self.head.currency_code));
            writeln!(out, "{}", line.trim_end())?;
        }
        let class = TraceClass::try_from(self.head.trace_class).unwrap_or_default();
        writeln!(out, "{}", class_name(class, lang))?;
        Ok(())
    }

    fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "node_number": node.node_number,
                    "parent_number": node.parent_number,
                    "kind": kind_code(node),
                    "label": node.label,
                    "amount_minor": node.amount_minor,
                    "amount": decimal(node.amount_minor.into(), self.exponent()),
                    "sequence": node.sequence,
                    "business_date": date(node.business_date.as_ref()),
                    "account_kind": account_kind_of(node),
                    "maker": node.maker,
                    "checkers": node.checkers,
                    "keys": node.keys,
                    "policy_version": node.policy_version,
                    "trace_class": class_code(node.trace_class),
                })
            })
            .collect();
        json!({
            "trace_class": class_code(self.head.trace_class),
            "currency_code": self.head.currency_code,
            "currency_exponent": self.head.currency_exponent,
            "position": position_json(&self.head.position.clone().unwrap_or_default()),
            "nodes": nodes,
        })
    }

    fn write_csv(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let header = [
            "node_number",
            "parent_number",
            "kind",
            "label",
            "amount_minor",
            "amount",
            "currency_code",
            "sequence",
            "business_date",
            "account_kind",
            "maker",
            "checkers",
            "keys",
            "policy_version",
            "trace_class",
        ];
        let rows: Vec<Vec<String>> = self
            .nodes
            .iter()
            .map(|node| {
                vec![
                    node.node_number.to_string(),
                    node.parent_number.to_string(),
                    kind_code(node).to_owned(),
                    node.label.clone(),
                    node.amount_minor.to_string(),
                    decimal(node.amount_minor.into(), self.exponent()),
                    self.head.currency_code.clone(),
                    node.sequence.to_string(),
                    date(node.business_date.as_ref()),
                    account_kind_of(node),
                    node.maker.clone(),
                    node.checkers.join(" "),
                    node.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                    node.policy_version.to_string(),
                    class_code(node.trace_class).to_owned(),
                ]
            })
            .collect();
        render::csv(out, &header, &rows)
    }

    fn write_dot(&self, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "digraph trace {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];")?;
        for node in &self.nodes {
            let amount = grouped(node.amount_minor.into(), self.exponent());
            let label = escape(&format!(
                "{}\n{amount} {}",
                printable(&name(node, Lang::En)),
                printable(&self.head.currency_code)
            ));
            writeln!(out, "  n{} [label=\"{label}\"];", node.node_number)?;
            if node.parent_number != 0 {
                writeln!(out, "  n{} -> n{};", node.parent_number, node.node_number)?;
            }
        }
        writeln!(out, "}}").map_err(Failure::from)
    }
}

/// What a node stands for, and its name.
fn name(node: &TraceNode, lang: Lang) -> String {
    let name = &node.label;
    match node.kind() {
        TraceNodeKind::Unspecified => format!("? {name}"),
        TraceNodeKind::Lot => text::trace_lot(lang, name),
        TraceNodeKind::Unit => text::trace_unit(lang, name),
        TraceNodeKind::Account => text::trace_account(lang, account_kind_label(node.account_kind, lang), name),
        TraceNodeKind::Payee => text::trace_payee(lang, name),
        TraceNodeKind::Payment => text::trace_payment(lang, name),
        TraceNodeKind::Return => text::trace_return(lang, name),
        TraceNodeKind::Reversal => text::trace_reversal(lang, name),
        TraceNodeKind::Opening => text::trace_opening(lang, name),
        TraceNodeKind::Document => text::trace_document(lang, name),
        TraceNodeKind::Unresolved => text::trace_unresolved(lang, name),
        TraceNodeKind::PoolOpening => text::trace_pool_opening(lang),
        TraceNodeKind::PoolInflow => text::trace_pool_inflow(lang, name),
    }
}

/// How exactly the money can be followed, in words.
fn class_name(class: TraceClass, lang: Lang) -> String {
    match class {
        TraceClass::Unspecified => "?".to_owned(),
        TraceClass::Strict => text::trace_class_strict(lang),
        TraceClass::Individual => text::trace_class_individual(lang),
        TraceClass::Pooled => text::trace_class_pooled(lang),
    }
}

fn class_code(class: i32) -> &'static str {
    TraceClass::try_from(class).unwrap_or_default().as_str_name().trim_start_matches("TRACE_CLASS_")
}

fn kind_code(node: &TraceNode) -> &'static str {
    node.kind().as_str_name().trim_start_matches("TRACE_NODE_KIND_")
}

fn account_kind_of(node: &TraceNode) -> String {
    if node.account_kind == 0 { String::new() } else { account_kind(node.account_kind) }
}

/// The event a node rests on: when, where in the log, who made and approved it.
fn note(node: &TraceNode) -> String {
    if node.sequence == 0 {
        return String::new();
    }
    let people = std::iter::once(&node.maker).chain(&node.checkers).filter(|name| !name.is_empty());
    let people: Vec<&str> = people.map(String::as_str).collect();
    format!("{} #{} {}", date(node.business_date.as_ref()), node.sequence, people.join("+"))
}

/// Width on a terminal: Chinese characters take two columns.
fn width(text: &str) -> usize {
    tabled::grid::util::string::get_line_width(text)
}

/// A text inside a quoted string of Graphviz.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::Date;
    use crate::pb::v1::AccountKind;

    fn node(number: i64, parent: i64, kind: TraceNodeKind, label: &str, amount_minor: i64) -> TraceNode {
        TraceNode {
            node_number: number,
            parent_number: parent,
            kind: kind.into(),
            label: label.to_owned(),
            amount_minor,
            ..TraceNode::default()
        }
    }

    fn trace() -> Trace {
        let mut payment = node(5, 4, TraceNodeKind::Payment, "V1", 70_000);
        payment.sequence = 12;
        payment.business_date = Some(Date { year: 2020, month: 4, day: 1 });
        payment.maker = "m".to_owned();
        payment.checkers = vec!["c".to_owned()];
        let mut used = node(3, 2, TraceNodeKind::Account, "F.USED.A", 65_000);
        used.account_kind = AccountKind::AuthorityUsed.into();
        let nodes = vec![
            node(1, 0, TraceNodeKind::Lot, "L", 100_000),
            node(2, 1, TraceNodeKind::Unit, "A", 65_000),
            used,
            node(4, 3, TraceNodeKind::Payee, "ab\"c", 65_000),
            payment,
            node(6, 4, TraceNodeKind::Return, "V1", -5_000),
            node(7, 1, TraceNodeKind::Unit, "B", 35_000),
        ];
        let head = TraceHead {
            position: None,
            trace_class: TraceClass::Strict.into(),
            node_count: 7,
            currency_code: "GBP".to_owned(),
            currency_exponent: 2,
        };
        Trace { head, nodes }
    }

    fn text(write: impl Fn(&Trace, &mut Vec<u8>) -> Result<(), Failure>) -> String {
        let mut out = Vec::new();
        write(&trace(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tree() {
        let expected = "\
lot L                                    1,000.00 GBP
├─ unit A                                  650.00 GBP
│  └─ account F.USED.A (AUTHORITY_USED)    650.00 GBP
│     └─ payee ab\"c                        650.00 GBP
│        ├─ payment V1                     700.00 GBP 2020-04-01 #12 m+c
│        └─ return V1                      -50.00 GBP
└─ unit B                                  350.00 GBP
trace class STRICT: the exact flow of every minor unit
";
        assert_eq!(text(|trace, out| trace.write_tree(out, usize::MAX, Lang::En)), expected);
        assert_eq!(text(|trace, out| trace.write_tree(out, 2, Lang::En)).lines().count(), 4);
    }

    /// A server's names are its own: none of them steers a terminal.
    #[test]
    fn a_hostile_name_is_shown_as_numbers() {
        let mut hostile = trace();
        hostile.nodes[0].label = "L\u{1b}[2J\n\u{202e}".to_owned();
        hostile.nodes[4].maker = "m\u{7}".to_owned();
        hostile.head.currency_code = "\u{1b}c".to_owned();
        let (mut tree, mut dot) = (Vec::new(), Vec::new());
        hostile.write_tree(&mut tree, usize::MAX, Lang::En).unwrap();
        hostile.write_dot(&mut dot).unwrap();
        let steers = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{202e}']);
        let (tree, dot) = (String::from_utf8(tree).unwrap(), String::from_utf8(dot).unwrap());
        assert!(!steers(&tree) && !steers(&dot), "{tree}{dot}");
        assert!(tree.starts_with(r"lot L\u{1b}[2J\u{a}\u{202e}"), "{tree}");
    }

    #[test]
    fn other_forms() {
        let csv = text(|trace, out| trace.write_csv(out));
        assert_eq!(csv.lines().nth(5), Some("5,4,PAYMENT,V1,70000,700.00,GBP,12,2020-04-01,,m,c,,0,UNSPECIFIED"));
        let dot = text(|trace, out| trace.write_dot(out));
        assert!(dot.contains(r#"n4 [label="payee ab\"c\n650.00 GBP"];"#), "{dot}");
        assert!(dot.contains("n3 -> n4;"));
        let json = trace().to_json();
        assert_eq!(json["nodes"][5]["amount_minor"], -5_000);
        assert_eq!(json["nodes"][2]["account_kind"], "AUTHORITY_USED");
    }
}
