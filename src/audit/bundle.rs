//! Reading bundles (docs/format.md, Bundle): the values in order, then the end mark.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{KeyValue, Unreadable};

/// Versions 1 and 2; the first had no attachments.
const MAGICS: [&[u8; 21]; 2] = [b"fundledger bundle v1\n", b"fundledger bundle v2\n"];
const END_MARK: u16 = u16::MAX;
const ATTACHMENT: u16 = 0xFFFE;
/// Most attachments that are read.
const ATTACHMENTS_MAX: usize = 16;
const CHECKPOINTS: [&[u8]; 2] = [b"checkpoint", b"checkpoint.witnessed"];
/// No key or value of a log is nearly that long: a longer one means that the lengths are lost.
const PIECE_BYTES_MAX: u32 = 1 << 20;
const READ_BUFFER_BYTES: usize = 1 << 20;

/// Opens a bundle. The values come in the order of the file; what is missing or wrong at its end comes as the last item.
pub fn read_bundle(path: impl AsRef<Path>) -> Result<Bundle<BufReader<File>>, Unreadable> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| Unreadable(format!("{}: {error}", path.display())))?;
    Bundle::new(BufReader::with_capacity(READ_BUFFER_BYTES, file))
}

/// A bundle being read.
pub struct Bundle<R> {
    input: R,
    digest: Sha256,
    values: u64,
    attachments: Vec<KeyValue>,
    /// Length of the next key, read already.
    next_key: Option<[u8; 2]>,
    is_done: bool,
}

impl<R: Read> Bundle<R> {
    /// Starts reading; refuses what is not a bundle.
    pub fn new(input: R) -> Result<Self, Unreadable> {
        let attachments = Vec::new();
        let mut bundle = Self { input, digest: Sha256::new(), values: 0, attachments, next_key: None, is_done: false };
        let magic = bundle.array::<21>().map_err(|_| not_a_bundle())?;
        if !MAGICS.contains(&&magic) {
            return Err(not_a_bundle());
        }
        bundle.digest.update(magic);
        bundle.read_attachments()?;
        Ok(bundle)
    }

    /// The signed checkpoints that came with the log.
    pub fn checkpoints(&self) -> Vec<String> {
        let found = self.attachments.iter().filter(|(name, _)| CHECKPOINTS.contains(&name.as_slice()));
        found.map(|(_, note)| String::from_utf8_lossy(note).into_owned()).collect()
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
            self.digest.update(key_length);
            let name_length = self.array::<2>()?;
            let attachment = self.key_and_value(name_length)?;
            self.attachments.push(attachment);
        }
    }

    fn key_and_value(&mut self, key_length: [u8; 2]) -> Result<KeyValue, Unreadable> {
        self.digest.update(key_length);
        let key = self.piece(u16::from_be_bytes(key_length).into())?;
        let value_length = self.array::<4>()?;
        self.digest.update(value_length);
        Ok((key, self.piece(u32::from_be_bytes(value_length))?))
    }

    fn next_value(&mut self) -> Result<Option<KeyValue>, Unreadable> {
        let key_length = self.next_key.take().map_or_else(|| self.array::<2>(), Ok)?;
        if u16::from_be_bytes(key_length) == END_MARK {
            return self.check_end().map(|()| None);
        }
        let value = self.key_and_value(key_length)?;
        self.values = self.values.saturating_add(1);
        Ok(Some(value))
    }

    fn check_end(&mut self) -> Result<(), Unreadable> {
        let counted = u64::from_be_bytes(self.array::<8>()?);
        let digest = self.array::<32>()?;
        if counted != self.values {
            let found = self.values;
            return Err(Unreadable(format!("the bundle's end mark counts {counted} values, the file has {found}")));
        }
        if digest != <[u8; 32]>::from(std::mem::take(&mut self.digest).finalize()) {
            return Err(Unreadable("the bundle is not the file its end mark was written for".to_owned()));
        }
        match self.array::<1>() {
            Ok(_) => Err(Unreadable("bytes follow the bundle's end mark".to_owned())),
            Err(_) => Ok(()),
        }
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
}

fn not_a_bundle() -> Unreadable {
    Unreadable("not a fundledger bundle of version 1 or 2".to_owned())
}

impl<R: Read> Iterator for Bundle<R> {
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
