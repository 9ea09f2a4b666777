//! Files that say they were published, and templates of them: read or refused, whatever stands in them. A table of nothing agrees
//! with no file that has a row.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use fundledger::reporting::check::Check;
use fundledger::reporting::disclosure::Order;
use fundledger::reporting::files::read::Published;
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fundledger-fuzz-published-{}", std::process::id())));

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(order) = Order::from_template(text)
    {
        let _ = order.check();
    }
    std::fs::write(FILE.as_path(), input).expect("the temporary directory takes files");
    let Ok(published) = Published::open(&FILE) else { return };
    let order = Order::from_file(&published.table, &published.parameters, published.columns.clone());
    let Ok(disclosure) = order.check() else { return };
    let origin = published.origin.clone();
    let Ok(check) = Check::new(published, disclosure) else { return };
    let checked = check.finish(&origin, None);
    assert!(checked.rows == 0, "a row of nothing was accepted");
});
