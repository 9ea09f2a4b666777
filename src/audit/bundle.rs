//! Reading bundles (docs/format.md, Bundle): attachments, the values in order, tiles, then the end mark.
//!
//! Whoever made the file may have made it to deceive: every length is bounded, and what the bundle says of itself is held
//! against what is in it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::bundle_tiles::Tiles;
use super::frame::Hash;
use super::manifest::{CHECKPOINT_UNFIT, Contents, Manifest};
use super::note::{Checkpoint, Note};
use super::policy::Policy;
use super::report::{Fact, FaultKind, Findings, Outcome, hex};
use super::{KeyValue, Unreadable};

/// Version 1 had no attachments, version 2 neither manifest nor tiles.
const MAGICS: [(&[u8; 21], u32); 3] =
    [(b"fundledger bundle v1\n", 1), (b"fundledger bundle v2\n", 2), (b"fundledger bundle v3\n", 3)];
const END_MARK: u16 = u16::MAX;
const ATTACHMENT: u16 = 0xFFFE;
const TILE: u16 = 0xFFFD;
/// Most attachments that are read.
const ATTACHMENTS_MAX: usize = 16;
const MANIFEST: &[u8] = b"manifest";
const CHECKPOINT: &[u8] = b"checkpoint";
const CHECKPOINTS: [&[u8]; 2] = [CHECKPOINT, b"checkpoint.witnessed"];
const POLICY: &[u8] = b"policy";
/// No key or value of a log is nearly that long: a longer one means that the lengths are lost.
const PIECE_BYTES_MAX: u32 = 1 << 20;
const READ_BUFFER_BYTES: usize = 1 << 20;

/// Opens a bundle. The values come in the order of the file; what is missing or wrong at its end comes as the last item.
pub fn read_bundle(path: impl AsRef<Path>) -> Result<Bundle<'static>, Unreadable> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| Unreadable(format!("{}: {error}", path.display())))?;
    Bundle::new(BufReader::with_capacity(READ_BUFFER_BYTES, file))
}

/// A bundle being read.
pub struct Bundle<'a> {
    input: Box<dyn Read + Send + 'a>,
    version: u32,
    digest: Sha256,
    values: u64,
    /// Without the manifest.
    attachments: Vec<KeyValue>,
    manifest: Option<Manifest>,
    checkpoint: Option<Checkpoint>,
    tiles: Tiles,
    findings: Findings,
    /// Mark or length of the key that comes next, read already.
    next_key: Option<[u8; 2]>,
    is_done: bool,
    /// Read to its end mark, which is right.
    is_whole: bool,
}

impl<'a> Bundle<'a> {
    /// Starts reading; refuses what is not a bundle.
    pub fn new(input: impl Read + Send + 'a) -> Result<Self, Unreadable> {
        let mut bundle = Self {
            input: Box::new(input),
            version: 0,
            digest: Sha256::new(),
            values: 0,
            attachments: Vec::new(),
            manifest: None,
            checkpoint: None,
            tiles: Tiles::new(None),
            findings: Findings::default(),
            next_key: None,
            is_done: false,
            is_whole: false,
        };
        let magic = bundle.array::<21>().map_err(|_| not_a_bundle())?;
        let known = MAGICS.iter().find(|(known, _)| **known == magic);
        bundle.version = known.ok_or_else(not_a_bundle)?.1;
        bundle.digest.update(magic);
        bundle.read_attachments()?;
        if bundle.has_manifest() {
            bundle.open_manifest();
        }
        Ok(bundle)
    }

    const fn has_manifest(&self) -> bool {
        self.version >= 3
    }

    /// The signed checkpoints that came with the log.
    pub fn checkpoints(&self) -> Vec<String> {
        let found = self.attachments.iter().filter(|(name, _)| CHECKPOINTS.contains(&name.as_slice()));
        found.map(|(_, note)| String::from_utf8_lossy(note).into_owned()).collect()
    }

    /// The size whose root the tiles are to have.
    pub(super) fn tree_size(&self) -> Option<u64> {
        self.checkpoint.as_ref().filter(|_| self.has_manifest()).map(|checkpoint| checkpoint.size)
    }

    fn attached(&self, name: &[u8]) -> Option<&[u8]> {
        self.attachments.iter().find(|(other, _)| other == name).map(|(_, bytes)| bytes.as_ref())
    }

    fn open_manifest(&mut self) {
        let is_first = self.attachments.first().is_some_and(|(name, _)| name == MANIFEST);
        let manifest = is_first
            .then(|| self.attachments.remove(0).1)
            .ok_or_else(|| fact!("the bundle does not begin with a manifest"));
        match manifest.and_then(|bytes| Manifest::parse(&bytes)) {
            Ok(manifest) => {
                self.report(manifest.check_attachments(&self.attachments));
                self.manifest = Some(manifest);
            }
            Err(why) => self.report(vec![why]),
        }
        let note = self.attached(CHECKPOINT).and_then(|note| std::str::from_utf8(note).ok());
        let note = note.and_then(|note| Note::parse(note).ok());
        self.checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
        self.tiles = Tiles::new(self.tree_size());
    }

    /// What is wrong with the bundle as a whole stands at no event, so it stands before all of them.
    fn report(&mut self, wrong: Vec<Fact>) {
        for message in wrong {
            self.findings.add(0, FaultKind::Manifest, message);
        }
    }

    fn read_attachments(&mut self) -> Result<(), Unreadable> {
        loop {
            let key_length = self.array::<2>()?;
            if u16::from_be_bytes(key_length) != ATTACHMENT {
                self.next_key = Some(key_length);
                return Ok(());
            }
            if self.attachments.len() >= ATTACHMENTS_MAX {
                return Err(Unreadable("the bundle has too many attachments".to_owned()));
            }
            let attachment = self.marked(key_length)?;
            self.attachments.push(attachment);
        }
    }

    /// What follows a mark: `name length ‖ name ‖ length ‖ bytes`.
    fn marked(&mut self, mark: [u8; 2]) -> Result<KeyValue, Unreadable> {
        self.digest.update(mark);
        let name_length = self.array::<2>()?;
        self.key_and_value(name_length)
    }

    fn key_and_value(&mut self, key_length: [u8; 2]) -> Result<KeyValue, Unreadable> {
        self.digest.update(key_length);
        let key = self.piece(u16::from_be_bytes(key_length).into())?;
        let value_length = self.array::<4>()?;
        self.digest.update(value_length);
        Ok((key, self.piece(u32::from_be_bytes(value_length))?.into()))
    }

    fn next_value(&mut self) -> Result<Option<KeyValue>, Unreadable> {
        let mut mark = self.next_mark()?;
        if self.has_manifest() {
            while u16::from_be_bytes(mark) == TILE {
                let (name, hashes) = self.marked(mark)?;
                self.tiles.take(&name, &hashes);
                mark = self.next_mark()?;
            }
            let is_misplaced = u16::from_be_bytes(mark) != END_MARK && self.tiles.found > 0;
            if is_misplaced || u16::from_be_bytes(mark) == ATTACHMENT {
                return Err(Unreadable("the bundle's parts stand out of order".to_owned()));
            }
        }
        if u16::from_be_bytes(mark) == END_MARK {
            return self.check_end().map(|()| None);
        }
        let value = self.key_and_value(mark)?;
        self.values = self.values.saturating_add(1);
        Ok(Some(value))
    }

    fn next_mark(&mut self) -> Result<[u8; 2], Unreadable> {
        self.next_key.take().map_or_else(|| self.array::<2>(), Ok)
    }

    fn check_end(&mut self) -> Result<(), Unreadable> {
        let counted = u64::from_be_bytes(self.array::<8>()?);
        let tiles = if self.has_manifest() { u64::from_be_bytes(self.array::<8>()?) } else { 0 };
        let digest = self.array::<32>()?;
        if counted != self.values {
            let found = self.values;
            return Err(Unreadable(format!("the bundle's end mark counts {counted} values, the file has {found}")));
        }
        if tiles != self.tiles.found {
            let found = self.tiles.found;
            return Err(Unreadable(format!("the bundle's end mark counts {tiles} tiles, the file has {found}")));
        }
        if digest != <[u8; 32]>::from(std::mem::take(&mut self.digest).finalize()) {
            return Err(Unreadable("the bundle is not the file its end mark was written for".to_owned()));
        }
        if self.array::<1>().is_ok() {
            return Err(Unreadable("bytes follow the bundle's end mark".to_owned()));
        }
        self.is_whole = true;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| self.cut(&error))?;
        Ok(bytes)
    }

    fn piece(&mut self, length: u32) -> Result<Vec<u8>, Unreadable> {
        if length > PIECE_BYTES_MAX {
            let at = self.values;
            return Err(Unreadable(format!(
                "value {at} of the bundle claims {length} bytes: the rest cannot be found"
            )));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(|error| self.cut(&error))?;
        self.digest.update(&bytes);
        Ok(bytes)
    }

    fn cut(&self, error: &std::io::Error) -> Unreadable {
        Unreadable(format!("the bundle stops before its end mark, after {} values: {error}", self.values))
    }

    /// What was found, once it was read as far as can be.
    pub(super) fn into_found(self) -> Found {
        let policy = self.attached(POLICY).filter(|_| self.has_manifest()).map(<[u8]>::to_vec);
        let Self { version, values, manifest, checkpoint, tiles, findings, is_whole, .. } = self;
        Found { version, values, manifest, checkpoint, tiles, findings, is_whole, policy }
    }
}

fn not_a_bundle() -> Unreadable {
    Unreadable("not a fundledger bundle of version 1, 2 or 3".to_owned())
}

impl Iterator for Bundle<'_> {
    type Item = Result<KeyValue, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.next_value().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// What a bundle had besides its log.
pub(super) struct Found {
    version: u32,
    values: u64,
    manifest: Option<Manifest>,
    checkpoint: Option<Checkpoint>,
    tiles: Tiles,
    findings: Findings,
    is_whole: bool,
    policy: Option<Vec<u8>>,
}

/// A bundle, as the report tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Version of the format.
    pub version: u32,
    /// Which program made it, as it says.
    pub made_by: Option<String>,
    /// When, as whoever made it says.
    pub made_at: Option<String>,
    /// Stored values in it.
    pub values: u64,
    /// Tiles in it.
    pub tiles: u64,
    /// The policy of witnesses in it.
    pub policy: Option<CarriedPolicy>,
}

/// A policy that came with a ledger. It says whom the ledger asked; nothing is believed because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedPolicy {
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// Whether it says the same as the auditor's own; `None` where the auditor brought none.
    pub is_yours: Option<bool>,
}

impl Found {
    /// Holds the bundle against the log that was found in it.
    pub(super) fn judge(mut self, outcome: &Outcome, own_policy: Option<&Policy>) -> (Findings, Carried) {
        if !self.is_whole {
            // Of a copy that is not whole the manifest says nothing: it may be what was damaged.
            self.findings = Findings::default();
        } else if self.version >= 3 {
            self.check_tiles(&outcome.roots);
            self.check_manifest(outcome);
        }
        for fault in std::mem::take(&mut self.tiles.faults) {
            self.findings.push(fault);
        }
        let policy = self.policy.map(|text| CarriedPolicy {
            sha256: Sha256::digest(&text).into(),
            is_yours: own_policy.map(|own| is_same(own, &text)),
        });
        let carried = Carried {
            version: self.version,
            made_by: self.manifest.as_ref().map(|manifest| manifest.made_by.clone()),
            made_at: self.manifest.and_then(|manifest| manifest.made_at),
            values: self.values,
            tiles: self.tiles.found,
            policy,
        };
        (self.findings, carried)
    }

    fn check_tiles(&mut self, roots: &[(u64, Hash)]) {
        let without = self.manifest.as_ref().and_then(Manifest::without_tiles);
        let Some(Checkpoint { size, root, .. }) = &self.checkpoint else { return };
        let own = roots.iter().find(|(of, _)| of == size).map(|(_, root)| root);
        match without {
            None => self.tiles.finish(own.unwrap_or(root)),
            Some(_) if self.tiles.found > 0 => {
                self.findings.add(
                    0,
                    FaultKind::Manifest,
                    fact!("the manifest says that there are no tiles, and there are"),
                );
            }
            // Of a log that cannot be followed all that can be said is said by the chain.
            Some(CHECKPOINT_UNFIT) if own == Some(root) => {
                self.findings.add(0, FaultKind::Tile, fact!("tiles are missing, though the log fits its checkpoint"));
            }
            Some(_) => {}
        }
    }

    fn check_manifest(&mut self, outcome: &Outcome) {
        let Some(manifest) = &self.manifest else { return };
        let head = outcome.head.and_then(|head| Some((u64::try_from(head.sequence).ok()?, hex(&head.hash))));
        let wrong = manifest.check(&Contents {
            values: self.values,
            tiles: self.tiles.found,
            events: outcome.events,
            head,
            origin: outcome.origin.as_deref(),
            checkpoint: self.checkpoint.as_ref(),
            is_log_broken: !outcome.findings.is_empty(),
        });
        for message in wrong {
            self.findings.add(0, FaultKind::Manifest, message);
        }
    }
}

/// Whether a policy that came with a ledger says what the auditor's own does.
fn is_same(own: &Policy, text: &[u8]) -> bool {
    let theirs = std::str::from_utf8(text).ok().and_then(|text| Policy::parse(text).ok());
    theirs.as_ref() == Some(own)
}
