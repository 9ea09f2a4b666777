//! The tables of the audit interchange: their names, their columns, and how each is written, as XML and as CSV at once.

use std::io::{self, Write};
use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::output::{Output, plain};

/// A table: what a row of it is called, the name of its CSV file, its columns.
pub(super) struct Table {
    name: &'static str,
    file: &'static str,
    columns: &'static [&'static str],
}

pub(super) const PROVENANCE: Table = Table { name: "出处", file: "provenance", columns: &["名称", "值"] };
pub(super) const BOOKS: Table = Table {
    name: "电子账簿",
    file: "accounting-books",
    columns: &["电子账簿编号", "电子账簿名称", "会计核算单位", "本位币", "开发单位", "版本号"],
};
pub(super) const PERIODS: Table = Table {
    name: "会计期间",
    file: "periods",
    columns: &["会计年度", "会计期间号", "会计期间起始日期", "会计期间结束日期"],
};
pub(super) const CURRENCIES: Table =
    Table { name: "币种", file: "currencies", columns: &["币种编码", "小数位数"] };
pub(super) const VOUCHER_TYPES: Table = Table {
    name: "记账凭证类型",
    file: "voucher-types",
    columns: &["记账凭证类型编号", "记账凭证类型名称", "记账凭证类型简称"],
};
pub(super) const ACCOUNTS: Table = Table {
    name: "会计科目",
    file: "accounts",
    columns: &["电子账簿编号", "科目编号", "科目名称", "科目级次", "上级科目编号", "科目类型", "余额方向", "部门编号"],
};
pub(super) const AUXILIARY_ITEMS: Table =
    Table { name: "辅助核算项", file: "auxiliary-items", columns: &["辅助项编号", "辅助项名称"] };
pub(super) const AUXILIARY_VALUES: Table = Table {
    name: "辅助核算档案",
    file: "auxiliary-values",
    columns: &["辅助项编号", "档案值编号", "档案值名称", "发文单位", "上级档案值编号"],
};
pub(super) const VOUCHERS: Table = Table {
    name: "记账凭证",
    file: "vouchers",
    columns: &[
        "电子账簿编号",
        "记账凭证日期",
        "会计年度",
        "会计期间号",
        "记账凭证类型编号",
        "记账凭证编号",
        "记账凭证行号",
        "记账凭证摘要",
        "科目编号",
        "辅助项1编号",
        "辅助项2编号",
        "辅助项3编号",
        "辅助项4编号",
        "辅助项5编号",
        "辅助项6编号",
        "币种编码",
        "借方金额",
        "贷方金额",
        "制单人",
        "审核人",
        "源凭证号",
        "依据文号",
        "条目哈希",
    ],
};
pub(super) const BALANCES: Table = Table {
    name: "科目余额及发生额",
    file: "balances",
    columns: &[
        "电子账簿编号",
        "会计年度",
        "会计期间号",
        "科目编号",
        "辅助项1编号",
        "币种编码",
        "期初余额方向",
        "期初余额",
        "借方发生额",
        "贷方发生额",
        "期末余额方向",
        "期末余额",
    ],
};

const ROOT: &str = "审计数据交换";
const NAMESPACE: &str = "urn:fundledger:audit-interchange:1";

/// One XML document, and a CSV file for each table, in a folder.
pub(super) struct Tables<'a> {
    folder: &'a Path,
    xml: Writer<Output>,
}

impl<'a> Tables<'a> {
    pub(super) fn create(folder: &'a Path) -> io::Result<Self> {
        let mut xml = Writer::new_with_indent(Output::create(&folder.join("audit-interchange.xml"))?, b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.write_event(Event::Start(BytesStart::new(ROOT).with_attributes([("xmlns", NAMESPACE)])))?;
        Ok(Self { folder, xml })
    }

    /// Writes a table; `rows` gives its rows to what it is called with.
    pub(super) fn table<E: From<io::Error>>(
        &mut self,
        table: &Table,
        rows: impl FnOnce(&mut dyn FnMut(&[String]) -> io::Result<()>) -> Result<(), E>,
    ) -> Result<(), E> {
        let out = Output::create(&self.folder.join(table.file).with_extension("csv"))?;
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(table.columns).map_err(io::Error::from)?;
        let around = format!("{}表", table.name);
        let xml = &mut self.xml;
        xml.write_event(Event::Start(BytesStart::new(around.as_str())))?;
        rows(&mut |cells| {
            csv.write_record(cells)?;
            xml.write_event(Event::Start(BytesStart::new(table.name)))?;
            for (column, cell) in table.columns.iter().zip(cells) {
                xml.create_element(*column).write_text_content(BytesText::new(&plain(cell)))?;
            }
            xml.write_event(Event::End(BytesEnd::new(table.name)))
        })?;
        self.xml.write_event(Event::End(BytesEnd::new(around.as_str())))?;
        let out = csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        out.finish()?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new(ROOT)))?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.finish()?;
        Ok(())
    }
}
