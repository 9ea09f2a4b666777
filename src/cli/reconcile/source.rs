//! The bytes of a statement: hashed as they are, decoded, counted, and never more of them held than one piece needs.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use sha2::{Digest, Sha256};

use super::statement::Fault;

/// Longest element or record.
pub(super) const PIECE_BYTES_MAX: usize = 1 << 20;
const RAW_BYTES: usize = 16 << 10;
/// How far the beginning of a file is looked at to know its form.
const PREFIX_BYTES: u64 = 1_024;

/// Hashes what is read through it.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Reads to the end; gives the SHA-256 of all bytes.
    pub(super) fn finish(mut self) -> io::Result<[u8; 32]> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The form of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Delimited text.
    Csv,
    /// ISO 20022 XML.
    Camt,
}

/// The first bytes of a file, to know its form by.
pub(super) struct Prefix(Vec<u8>);

impl Prefix {
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.by_ref().take(PREFIX_BYTES).read_to_end(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// XML begins with `<`; nothing else does.
    pub(super) fn form(&self) -> Form {
        let text = self.text();
        let is_markup = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<');
        if is_markup { Form::Camt } else { Form::Csv }
    }

    /// The encoding that a byte order mark or an XML declaration names; UTF-8 where neither does.
    pub(super) fn xml_encoding(&self) -> Result<&'static Encoding, Fault> {
        if let Some((encoding, _)) = Encoding::for_bom(&self.0) {
            return Ok(encoding);
        }
        let text = self.text();
        let declared = text.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
        let named = declared.and_then(|(declaration, _)| declaration.split_once("encoding"));
        let Some((_, value)) = named else { return Ok(encoding_rs::UTF_8) };
        let name = value.trim_start_matches([' ', '=', '"', '\'']).split(['"', '\'']).next().unwrap_or_default();
        let unknown = || Fault::EncodingUnknown { name: name.chars().take(64).collect() };
        Encoding::for_label(name.as_bytes()).ok_or_else(unknown)
    }

    /// What follows after what was looked at, from the beginning.
    pub(super) fn then<R: Read>(self, rest: R) -> impl Read {
        Cursor::new(self.0).chain(rest)
    }

    fn text(&self) -> String {
        let encoding = Encoding::for_bom(&self.0).map_or(encoding_rs::UTF_8, |(encoding, _)| encoding);
        encoding.decode(&self.0).0.into_owned()
    }
}

/// What went wrong below the parser, carried through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Bytes that are not of the encoding.
    Encoding(&'static str),
    /// A piece without end.
    PieceTooLong,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl std::error::Error for Trouble {}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        Self::new(io::ErrorKind::InvalidData, trouble)
    }
}

/// The fault behind an error of reading.
pub(super) fn fault_of(error: &io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Trouble>()) {
        Some(Trouble::Encoding(name)) => Fault::Encoding { name },
        Some(Trouble::PieceTooLong) => Fault::PieceTooLong { max: PIECE_BYTES_MAX },
        None => Fault::Read { cause: error.to_string() },
    }
}

/// Decodes to UTF-8; a byte that is not of the encoding ends it.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    name: &'static str,
    raw: Vec<u8>,
    /// What of `raw` is not decoded yet.
    pending: (usize, usize),
    is_last: bool,
    is_done: bool,
    /// Decoded bytes that did not fit.
    rest: Cursor<Vec<u8>>,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            name: encoding.name(),
            raw: vec![0; RAW_BYTES],
            pending: (0, 0),
            is_last: false,
            is_done: false,
            rest: Cursor::new(Vec::new()),
        }
    }

    /// Decodes some more into `rest`.
    fn fill(&mut self) -> io::Result<()> {
        if self.pending.0 >= self.pending.1 && !self.is_last {
            let count = self.inner.read(&mut self.raw)?;
            self.pending = (0, count);
            self.is_last = count == 0;
        }
        let from = self.raw.get(self.pending.0..self.pending.1).unwrap_or_default();
        let mut to = vec![0; RAW_BYTES];
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(from, &mut to, self.is_last);
        self.pending.0 = self.pending.0.saturating_add(read);
        to.truncate(written);
        self.rest = Cursor::new(to);
        match result {
            DecoderResult::Malformed(..) => Err(Trouble::Encoding(self.name).into()),
            DecoderResult::InputEmpty => {
                self.is_done = self.is_last;
                Ok(())
            }
            DecoderResult::OutputFull => Ok(()),
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.rest.read(buffer)?;
            if count > 0 || self.is_done || buffer.is_empty() {
                return Ok(count);
            }
            self.fill()?;
        }
    }
}

/// UTF-8 text with its place, which ends where one piece grows without end.
pub(super) struct Source<R> {
    inner: BufReader<Decoded<R>>,
    since_piece: usize,
    line: u64,
    column: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self { inner: BufReader::new(Decoded::new(inner, encoding)), since_piece: 0, line: 1, column: 1 }
    }

    /// A piece is done: the next may be as long again.
    pub(super) fn next_piece(&mut self) {
        self.since_piece = 0;
    }

    /// Line and column of what is read next, from 1.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.line, self.column)
    }

    /// Passes over a line.
    pub(super) fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(buffer.len(), |at| at.saturating_add(1));
            self.consume(count);
            if end.is_some() {
                self.next_piece();
                return Ok(());
            }
        }
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since_piece > PIECE_BYTES_MAX {
            return Err(Trouble::PieceTooLong.into());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let bytes = self.inner.buffer().get(..count).unwrap_or_default();
        let breaks = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
        let after = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        // Bytes that continue a character are no column of their own.
        let width = after.iter().filter(|byte| !(0x80..0xc0).contains(*byte)).count();
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.column = if breaks > 0 { 1 } else { self.column }.saturating_add(wide(width));
        self.line = self.line.saturating_add(wide(breaks));
        self.since_piece = self.since_piece.saturating_add(count);
        self.inner.consume(count);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let count = from.len().min(buffer.len());
        let (Some(from), Some(to)) = (from.get(..count), buffer.get_mut(..count)) else { return Ok(0) };
        to.copy_from_slice(from);
        self.consume(count);
        Ok(count)
    }
}
