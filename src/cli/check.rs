//! `serve --check`: whether a start would succeed, and what it would find. Nothing is changed.

use std::io::Write;
use std::path::Path;

use super::evidence::copy_tree;
use super::settings::Settings;
use super::verify::read_policy;
use super::{Failure, Globals};
use crate::ledger::directory::{DirectoryError, is_empty, is_served};
use crate::ledger::examine::examine;
use crate::log::Fault;
use crate::messages::cli as text;

/// How a ledger would be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// In plain text, on loopback.
    Plain,
    /// With certificates on both sides.
    Tls,
}

/// Checks what `serve` would do. Settings were admitted before, as those of a certain transport.
pub(super) fn run(
    globals: &Globals,
    settings: &Settings,
    data: &Path,
    transport: Transport,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let lang = globals.lang;
    settings.witness_policy.as_deref().map(read_policy).transpose()?;
    let is_plain = transport == Transport::Plain;
    if is_plain && is_empty(data).map_err(|fault| Failure::Unavailable(fault.to_string()))? {
        writeln!(out, "{}", text::check_would_create(lang, data.display()))?;
        return Ok(());
    }
    // Before its addresses, which are taken where it is.
    if is_served(data).is_ok_and(|is_served| is_served) {
        return Err(DirectoryError::Locked { path: data.display().to_string() }.into());
    }
    let addresses = [Some(settings.listen), settings.metrics_listen, settings.tiles_listen];
    for address in addresses.into_iter().flatten() {
        std::net::TcpListener::bind(address).map_err(|error| Failure::about(address, error))?;
        writeln!(out, "{}", text::check_address(lang, address))?;
    }
    let failed = |error: std::io::Error| Failure::about(data.display(), error);
    let scratch = tempfile::Builder::new().prefix("fundledger-check-").tempdir().map_err(failed)?;
    let copy = |from: &Path, to: &Path| {
        let copied = std::fs::create_dir(to).and_then(|()| copy_tree(from, to));
        copied.map_err(|error| Fault::new(format!("copying {}", from.display()), error))
    };
    let found = examine(data, scratch.path(), copy)?;
    let replayed = found.head.sequence.saturating_sub(found.snapshot_sequence);
    writeln!(out, "{}", text::check_ledger(lang, found.head.hash, &found.origin, found.head.sequence))?;
    writeln!(out, "{}", text::check_replayed(lang, replayed))?;
    if !is_plain && !found.is_administered {
        return Err(Failure::Refused(text::serve_needs_administrators(lang)));
    }
    match found.read_only {
        None => writeln!(out, "{}", text::check_would_serve(lang)).map_err(Failure::from),
        Some(why) => Err(Failure::Refused(text::check_would_only_read(lang, why))),
    }
}
