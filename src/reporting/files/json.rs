//! JSON: one object whose rows stand one a line, so that it can be read by any parser, and by the line.

use std::io::{self, Write};

use super::{LAYOUT, TableWriter, provenance, title};
use crate::messages::Language;
use crate::reporting::rows::Row;
use crate::reporting::table::{Head, Tail, json_array, json_string};

/// A table that is written as JSON.
pub struct JsonWriter<W: Write> {
    head: Head,
    out: W,
    rows: u64,
}

impl<W: Write> JsonWriter<W> {
    /// Begins a file.
    pub fn new(head: &Head, mut out: W) -> io::Result<Self> {
        let columns = head.columns.iter().map(|column| {
            let (english, chinese) = (title(Language::English, column.id), title(Language::Chinese, column.id));
            let titles = format!("{{\"en\":{},\"zh\":{}}}", json_string(&english), json_string(&chinese));
            format!("{{\"id\":{},\"title\":{titles}}}", json_string(column.id))
        });
        let columns: Vec<String> = columns.collect();
        writeln!(out, "{{\"layout\":{},\"columns\":[", json_string(LAYOUT))?;
        writeln!(out, "{}", columns.join(",\n"))?;
        write!(out, "],\"rows\":[")?;
        Ok(Self { head: head.clone(), out, rows: 0 })
    }
}

impl<W: Write + Send> TableWriter for JsonWriter<W> {
    fn row(&mut self, _row: &Row, cells: &[String]) -> io::Result<()> {
        let separator = if self.rows == 0 { "" } else { "," };
        self.rows = self.rows.saturating_add(1);
        write!(self.out, "{separator}\n{}", json_array(cells))
    }

    fn finish(mut self: Box<Self>, tail: &Tail, digest: &[u8; 32]) -> io::Result<()> {
        write!(self.out, "\n],\"provenance\":{{")?;
        for (at, (name, value)) in provenance(&self.head, None, tail, digest).iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(self.out, "{separator}\n{}:{}", json_string(name), json_string(value))?;
        }
        writeln!(self.out, "\n}}}}")?;
        self.out.flush()
    }
}
