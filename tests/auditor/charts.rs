//! Charts: whole XML, the same bytes each time, hostile names as text, and what they rest on.

use std::fs;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::server::errors;
use crate::world::World;

/// Names of elements, and all text; what is no XML fails.
fn read(svg: &str) -> (Vec<String>, String) {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut names, mut text) = (Vec::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return (names, text),
            Event::Start(element) | Event::Empty(element) => {
                names.push(element.name().as_ref().to_owned());
                for attribute in element.attributes() {
                    attribute.unwrap();
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => {
                text.push_str(match &*name {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    other => panic!("{other}"),
                });
            }
            Event::End(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
            }
        }
    }
}

#[test]
fn charts_are_drawn_from_their_tables() {
    let world = World::new();
    let draw = |arguments: &[&str], lang: &str| {
        let path = world.path("chart.svg");
        let drawn = world.run(&[arguments, &["--svg", path.to_str().unwrap(), "--lang", lang]].concat());
        assert!(drawn.status.success() && drawn.stdout.is_empty(), "{}", errors(&drawn));
        fs::read_to_string(path).unwrap()
    };
    let flow = ["chart", "flow", "--lot", "NEW"];
    let svg = draw(&flow, "en");
    assert_eq!(svg, draw(&flow, "en"), "the same bytes each time");
    let (names, text) = read(&svg);
    for needed in ["svg", "title", "desc", "metadata", "entry", "path", "rect", "text"] {
        assert!(names.iter().any(|name| name == needed), "{needed} in {names:?}");
    }
    for said in ["Where the money of lot NEW went", "Unit U", "600,000.00 CNY", "Not yet allocated", "100,000.00 CNY"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let table = world.in_all_forms_of_chart(&flow);
    assert!(svg.contains(&format!("name=\"digest\" value=\"{}\"", table.said("digest"))), "the table that it shows");
    assert!(svg.contains("name=\"root\""));
    // What comes to a place goes on from it.
    let rows = table.columns(&["Level", "Amount"]);
    let sum = |level: &str| -> f64 {
        rows.iter().filter(|row| row[0] == level).map(|row| row[1].parse::<f64>().unwrap()).sum()
    };
    assert!((sum("1") - 1_000_000.0).abs() < 0.001, "all that was issued: {rows:?}");
    assert!((sum("2") - 900_000.0).abs() < 0.001, "what units got: {rows:?}");
    assert!((sum("3") - (100_000.0 + 45_000.0 + 2_500.0)).abs() < 0.001, "what was paid: {rows:?}");

    let execution = ["chart", "execution", "--fund", "F"];
    let (names, text) = read(&draw(&execution, "zh"));
    assert!(names.iter().filter(|name| *name == "rect").count() >= 6, "{names:?}");
    for said in ["资金 F 试点 <专项> & \"资金\" 分月执行情况", "支付", "退回金额", "2026-02", "2025-12"]
    {
        assert!(text.contains(said), "{said} in {text}");
    }
}

impl World {
    /// The table of a chart, as CSV; it is written only where it is asked for.
    fn in_all_forms_of_chart(&self, arguments: &[&str]) -> crate::world::Csv {
        let svg = self.path("beside.svg");
        self.in_all_forms_but_silent(&[arguments, &["--svg", svg.to_str().unwrap()]].concat())
    }

    fn in_all_forms_but_silent(&self, arguments: &[&str]) -> crate::world::Csv {
        let csv = self.csv(arguments);
        let json = self.run(&[arguments, &["--format", "json"]].concat());
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["provenance"]["digest"], csv.said("digest"));
        csv
    }
}
