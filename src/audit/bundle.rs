//! Reading bundles (docs/format.md, Bundle): the values in order, then the end mark.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{KeyValue, Unreadable};

const MAGIC: &[u8; 21] = b"fundledger bundle v1\n";
const END_MARK: u16 = u16::MAX;
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
    is_done: bool,
}

impl<R: Read> Bundle<R> {
    /// Starts reading; refuses what is not a bundle.
    pub fn new(input: R) -> Result<Self, Unreadable> {
        let mut bundle = Self { input, digest: Sha256::new(), values: 0, is_done: false };
        let magic = bundle.array::<21>().map_err(|_| not_a_bundle())?;
        if magic != *MAGIC {
            return Err(not_a_bundle());
        }
        bundle.digest.update(magic);
        Ok(bundle)
    }

    fn next_value(&mut self) -> Result<Option<KeyValue>, Unreadable> {
        let key_length = self.array::<2>()?;
        if u16::from_be_bytes(key_length) == END_MARK {
            return self.check_end().map(|()| None);
        }
        self.digest.update(key_length);
        let key = self.piece(u16::from_be_bytes(key_length).into())?;
        let value_length = self.array::<4>()?;
        self.digest.update(value_length);
        let value = self.piece(u32::from_be_bytes(value_length))?;
        self.values = self.values.saturating_add(1);
        Ok(Some((key, value)))
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
    Unreadable("not a fundledger bundle of version 1".to_owned())
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
