//! Writing bundles: the log's values as they stand, for auditors (docs/format.md, Bundle). Reading them is the auditor's
//! own affair (`audit::bundle`).

use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// First line of a bundle.
pub const MAGIC: &[u8] = b"fundledger bundle v2\n";
/// Before an attachment, in the place of a key's length.
const ATTACHMENT: u16 = 0xFFFE;

/// Writes a bundle value by value.
pub struct BundleWriter<W> {
    output: W,
    digest: Sha256,
    values: u64,
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle with what is to be read before the log, each under its name.
    pub fn new(output: W, attachments: &[(&str, &[u8])]) -> io::Result<Self> {
        let mut writer = Self { output, digest: Sha256::new(), values: 0 };
        writer.put(MAGIC)?;
        for (name, bytes) in attachments {
            writer.put(&ATTACHMENT.to_be_bytes())?;
            writer.piece(name.as_bytes(), bytes)?;
        }
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.output.write_all(bytes)
    }

    /// Adds a value.
    pub fn value(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.piece(key, value)?;
        self.values = self.values.saturating_add(1);
        Ok(())
    }

    fn piece(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a key or value too long for a bundle");
        let key_length = u16::try_from(key.len()).ok().filter(|length| *length < ATTACHMENT).ok_or_else(too_long)?;
        self.put(&key_length.to_be_bytes())?;
        self.put(key)?;
        self.put(&u32::try_from(value.len()).map_err(|_| too_long())?.to_be_bytes())?;
        self.put(value)
    }

    /// Writes the end mark; gives the number of values.
    pub fn finish(mut self) -> io::Result<u64> {
        let digest = self.digest.finalize();
        self.output.write_all(&u16::MAX.to_be_bytes())?;
        self.output.write_all(&self.values.to_be_bytes())?;
        self.output.write_all(&digest)?;
        self.output.flush()?;
        Ok(self.values)
    }
}
