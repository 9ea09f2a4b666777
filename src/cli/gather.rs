//! Evidence from wherever it lies, given to whoever reads it: a directory, tiles, a bundle, a running server.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::evidence::{Copies, PrivateCopy, Served};
use super::tiles::TileTree;
use super::{Failure, Globals, Lang, is_url};
use crate::audit::tiles::{self, Compared};
use crate::audit::tree::Tree;
use crate::audit::{Anchors, Evidence, Options, Report, Verdict, examine_entries, read_bundle};
use crate::ledger::directory::{identify, is_served};
use crate::messages::cli as text;
use crate::pb::v1::Event;

/// How often the progress bar looks at the count.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the evidence from a sequence on, beside a progress bar. `options` is given the checkpoints that the source has and,
/// where it begins later, the edge of its tree.
pub(super) fn gather<T>(
    globals: &Globals,
    source: &str,
    from: i64,
    options: impl Fn(Vec<String>, Option<Tree>) -> Options,
    run: impl FnOnce(Evidence<'_>, &Options) -> T,
) -> Result<T, Failure> {
    let (first, lang) = (u64::try_from(from).unwrap_or_default(), globals.lang);
    let edge = |compared: Option<&Compared>| match compared {
        Some(Compared { source, size }) if from > 0 => {
            tiles::edge(source.as_ref(), first, *size).map_err(|error| Failure::Unavailable(error.to_string()))
        }
        _ => Ok(None),
    };
    let reaches = |size: u64| {
        let last = size.saturating_sub(1);
        if from == 0 || first < size { Ok(()) } else { Err(Failure::Usage(text::verify_from_beyond(lang, last, from))) }
    };
    let path = Path::new(source);
    let is_url = is_url(source);
    let tree = if is_url { TileTree::fetch(source) } else { TileTree::open(path)? };
    if let Some(tree) = tree {
        let (compared, size) = (tree.compared(), tree.tiles.size());
        reaches(size)?;
        let edge = edge(Some(&compared))?;
        let options = Options { tiles: Some(compared), ..options(vec![tree.note.clone()], edge) };
        let entries = Evidence::Entries(Box::new(tree.tiles.entries(first)));
        return Ok(watched(globals, &options, Some(size.saturating_sub(first)), || run(entries, &options)));
    }
    if is_url {
        let served = Served::start(globals, source, from)?;
        let claimed_head = Some(served.claimed_head);
        let options = Options { claimed_head, ..options(served.checkpoints.clone(), served.edge.clone()) };
        let total = u64::try_from(served.claimed_head.0.saturating_sub(from)).ok();
        return Ok(watched(globals, &options, total, || run(Evidence::Entries(Box::new(served.entries())), &options)));
    }
    if path.is_file() {
        if from > 0 {
            return Err(Failure::Usage(text::verify_from_bundle(lang)));
        }
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        let options = options(bundle.checkpoints(), None);
        return Ok(watched(globals, &options, None, || run(Evidence::Bundle(Box::new(bundle)), &options)));
    }
    identify(path)?;
    // Copying a whole store would be most of the work that --from saves.
    let copies = if from > 0 || is_served(path)? { Copies::find(path)? } else { None };
    if from > 0 && copies.is_none() {
        return Err(Failure::Unavailable(text::verify_from_copies(lang, path.display())));
    }
    if let Some(copies) = copies {
        reaches(copies.size)?;
        let edge = edge(copies.tree.as_ref())?;
        let options = options(copies.checkpoints.clone(), edge);
        let options = Options { tiles: copies.tree.clone(), is_copy: true, ..options };
        let entries = Evidence::Entries(Box::new(copies.covered(first)));
        let total = copies.size.saturating_sub(first);
        return Ok(watched(globals, &options, Some(total), || run(entries, &options)));
    }
    let copy = PrivateCopy::take(path)?;
    let checkpoints = copy.checkpoints.iter().map(|(_, note)| note.clone()).collect();
    let options = Options { tiles: copy.tree.clone(), ..options(checkpoints, None) };
    Ok(watched(globals, &options, None, || run(Evidence::Blocks(Box::new(copy.values())), &options)))
}

/// Runs the audit beside a progress bar.
fn watched<T>(globals: &Globals, options: &Options, total: Option<u64>, audit: impl FnOnce() -> T) -> T {
    let Some(count) = options.progress.clone().filter(|_| globals.shows_progress()) else { return audit() };
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let template =
        if total.is_some() { "{bar:40} {human_pos}/{human_len} {per_sec}" } else { "{spinner} {human_pos} {per_sec}" };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let is_done = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                bar.set_position(count.load(Ordering::Relaxed));
                std::thread::sleep(PROGRESS_INTERVAL);
            }
        });
        let report = audit();
        is_done.store(true, Ordering::Relaxed);
        report
    });
    bar.finish_and_clear();
    report
}

/// What was read of a log.
pub(super) struct Basis {
    /// The ledger.
    pub(super) origin: String,
    /// The last sequence that counts.
    pub(super) sequence: i64,
    /// Root over the entries up to there.
    pub(super) root: [u8; 32],
}

/// Verifies the chain of a log and gives its events in order, all of them, with the hashes of their entries; says up to where
/// they count. Nothing may be made of them where this fails.
pub(super) fn follow(
    globals: &Globals,
    source: &str,
    last: Option<i64>,
    mut take: impl FnMut(i64, [u8; 32], &Event) + Send,
) -> Result<Basis, Failure> {
    let size = last.and_then(|last| u64::try_from(last).ok()).map(|last| last.saturating_add(1));
    let options = |served: Vec<String>, _edge| Options {
        anchors: Anchors { served, ..Anchors::default() },
        root_of: size,
        progress: Some(Arc::new(AtomicU64::new(0))),
        ..Options::default()
    };
    let report = gather(globals, source, 0, options, |evidence, options| {
        examine_entries(evidence, options, |sequence, hash, event| take(sequence, hash, &event))
    })?;
    sound(&report, globals.lang)?;
    let head = report.head.map_or(-1, |head| head.sequence);
    let (found, sequence) = match last {
        Some(last) => (report.asked_root, last),
        None => (report.tree, head),
    };
    let Some((_, root)) = found else {
        return Err(Failure::Usage(text::evidence_beyond(globals.lang, sequence, head)));
    };
    Ok(Basis { origin: report.origin.unwrap_or_default(), sequence, root })
}

/// Nothing is made of a log that is broken, or that was not read to its end.
pub(super) fn sound(report: &Report, lang: Lang) -> Result<(), Failure> {
    match report.verdict {
        Verdict::Verified => Ok(()),
        Verdict::Broken => Err(Failure::Refused(text::evidence_broken(lang))),
        Verdict::Incomplete => {
            let why = report.unreadable.clone().unwrap_or_default();
            Err(Failure::Unavailable(text::evidence_incomplete(lang, why)))
        }
    }
}
