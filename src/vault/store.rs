//! The store: `SQLite`, told to overwrite what it deletes. Nothing else names SQL.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{DatumState, Entry, Listed, fault};
use crate::domain::ids::{PayeeRef, RequestId, Sequence};
use crate::domain::personal::PersonalField;
use crate::log::Fault;
use crate::log::files::create_directory;
use crate::log::sled::sync_directory;

const FILE: &str = "vault.sqlite";

/// `sequence` is null while a value waits for its event; `sealed` is null once it is erased.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS party (party BLOB PRIMARY KEY, wrapped_key BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS datum (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        party BLOB NOT NULL,
        field INTEGER NOT NULL,
        commitment BLOB NOT NULL,
        sequence INTEGER,
        proposal TEXT,
        proposal_sequence INTEGER,
        restricted INTEGER NOT NULL DEFAULT 0,
        sealed BLOB
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS datum_of_request ON datum (request_id, party, field, commitment);
    CREATE INDEX IF NOT EXISTS datum_of_party ON datum (party, sequence);
    CREATE INDEX IF NOT EXISTS datum_of_event ON datum (sequence, party, field);
    CREATE INDEX IF NOT EXISTS datum_of_proposal ON datum (proposal) WHERE proposal IS NOT NULL AND sequence IS NULL;
    CREATE TABLE IF NOT EXISTS followed (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;
";
const VERSION: i64 = 1;

/// A stored datum.
pub(super) struct Datum {
    pub(super) id: i64,
    pub(super) request_id: String,
    pub(super) commitment: [u8; 32],
    pub(super) is_restricted: bool,
    pub(super) sealed: Option<Vec<u8>>,
}

pub(super) fn copy(directory: &Path, to: &Path) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::new(format!("copying the vault to {}", to.display()), error);
    let source = directory.join(FILE);
    // Opening would make one where there is none.
    if !source.is_file() {
        return Err(failed(&format!("there is no {}", source.display())));
    }
    let (beside, target) = (to.join(format!("{FILE}.new")), to.join(FILE));
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
        _ => {}
    }
    let name = beside.to_str().ok_or_else(|| failed(&"its path is no text"))?;
    let store = Connection::open(&source).map_err(|error| failed(&error))?;
    store.execute("VACUUM INTO ?1", [name]).map_err(|error| failed(&error))?;
    File::open(&beside).and_then(|file| file.sync_all()).map_err(|error| failed(&error))?;
    fs::rename(&beside, &target).map_err(|error| failed(&error))?;
    sync_directory(to)
}

pub(super) fn open(directory: &Path) -> Result<Connection, Fault> {
    create_directory(directory).map_err(|error| Fault::new(format!("creating {}", directory.display()), error))?;
    let store = Connection::open(directory.join(FILE)).map_err(fault)?;
    prepare(&store).map_err(fault)?;
    let version: i64 = store.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
    if version != VERSION {
        let found = format!("version {version}, where this program knows {VERSION}");
        return Err(Fault::new(format!("opening the vault in {}", directory.display()), found));
    }
    // Whoever ended between an erasure and the end of its journal left there what was overwritten.
    empty_journal(&store).map_err(fault)?;
    Ok(store)
}

fn prepare(store: &Connection) -> rusqlite::Result<()> {
    // Overwrite what is deleted; sync every commit; leave nothing in files of its own.
    store.execute_batch(
        "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
    )?;
    let is_new: bool = store.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if is_new {
        let all =
            format!("BEGIN; {SCHEMA} INSERT INTO followed VALUES (1, 0); PRAGMA user_version = {VERSION}; COMMIT;");
        store.execute_batch(&all)?;
    }
    Ok(())
}

fn array<const BYTES: usize>(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; BYTES]> {
    let bytes: Vec<u8> = row.get(column)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        let wrong = format!("{length} bytes where {BYTES} were written").into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, wrong)
    })
}

/// Reads `id, request_id, commitment, restricted, sealed`.
fn datum(row: &Row<'_>) -> rusqlite::Result<Datum> {
    let (id, request_id) = (row.get(0)?, row.get(1)?);
    Ok(Datum { id, request_id, commitment: array(row, 2)?, is_restricted: row.get(3)?, sealed: row.get(4)? })
}

pub(super) fn of_request(
    store: &Connection,
    request_id: &str,
    party: &PayeeRef,
    field: PersonalField,
) -> rusqlite::Result<Vec<Datum>> {
    let mut query = store.prepare_cached(
        "SELECT id, request_id, commitment, restricted, sealed FROM datum
         WHERE request_id = ?1 AND party = ?2 AND field = ?3 ORDER BY id",
    )?;
    query.query_map(params![request_id, party.0, field.number()], datum)?.collect()
}

pub(super) fn find(
    store: &Connection,
    sequence: Sequence,
    party: &PayeeRef,
    field: PersonalField,
) -> rusqlite::Result<Option<Datum>> {
    let mut query = store.prepare_cached(
        "SELECT id, request_id, commitment, restricted, sealed FROM datum
         WHERE sequence = ?1 AND party = ?2 AND field = ?3",
    )?;
    query.query_row(params![sequence.0, party.0, field.number()], datum).optional()
}

/// What is not erased of a person, in events from one to another.
pub(super) fn in_range(
    store: &Connection,
    party: &PayeeRef,
    first: Sequence,
    last: Sequence,
) -> rusqlite::Result<Vec<Datum>> {
    let mut query = store.prepare_cached(
        "SELECT id, request_id, commitment, restricted, sealed FROM datum
         WHERE party = ?1 AND sequence BETWEEN ?2 AND ?3 AND sealed IS NOT NULL",
    )?;
    query.query_map(params![party.0, first.0, last.0], datum)?.collect()
}

/// What is sealed of a person, on record or waiting.
pub(super) fn sealed_of(store: &Connection, party: &PayeeRef) -> rusqlite::Result<Vec<Datum>> {
    let mut query = store.prepare_cached(
        "SELECT id, request_id, commitment, restricted, sealed FROM datum WHERE party = ?1 AND sealed IS NOT NULL",
    )?;
    query.query_map(params![party.0], datum)?.collect()
}

pub(super) fn insert(
    store: &Connection,
    request_id: &str,
    party: &PayeeRef,
    field: PersonalField,
    commitment: &[u8; 32],
    proposal: Option<&str>,
    sealed: &[u8],
) -> rusqlite::Result<()> {
    let mut insert = store.prepare_cached(
        "INSERT INTO datum (request_id, party, field, commitment, proposal, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![request_id, party.0, field.number(), commitment, proposal, sealed]).map(drop)
}

pub(super) fn set_sealed(store: &Connection, id: i64, sealed: Option<&[u8]>) -> rusqlite::Result<()> {
    store.prepare_cached("UPDATE datum SET sealed = ?2 WHERE id = ?1")?.execute(params![id, sealed]).map(drop)
}

pub(super) fn set_restricted(store: &Connection, id: i64, is_restricted: bool) -> rusqlite::Result<()> {
    let mut update = store.prepare_cached("UPDATE datum SET restricted = ?2 WHERE id = ?1")?;
    update.execute(params![id, is_restricted]).map(drop)
}

/// Notes the event that carries a commitment; false if there is nothing behind it here.
pub(super) fn set_sequence(
    store: &Connection,
    request_id: &str,
    commitment: &[u8; 32],
    sequence: Sequence,
) -> rusqlite::Result<bool> {
    let mut update =
        store.prepare_cached("UPDATE datum SET sequence = ?3 WHERE request_id = ?1 AND commitment = ?2")?;
    update.execute(params![request_id, commitment, sequence.0]).map(|count| count > 0)
}

pub(super) fn set_proposal(store: &Connection, proposal: &str, sequence: Sequence) -> rusqlite::Result<()> {
    let mut update =
        store.prepare_cached("UPDATE datum SET proposal_sequence = ?2 WHERE proposal = ?1 AND sequence IS NULL")?;
    update.execute(params![proposal, sequence.0]).map(drop)
}

pub(super) fn discard(store: &Connection, request_id: &str, commitment: &[u8; 32]) -> rusqlite::Result<()> {
    let mut delete =
        store.prepare_cached("DELETE FROM datum WHERE request_id = ?1 AND commitment = ?2 AND sequence IS NULL")?;
    delete.execute(params![request_id, commitment]).map(drop)
}

/// Lets go of what waits for a command; gives how many there were.
pub(super) fn abandon(store: &Connection, request_id: &str) -> rusqlite::Result<usize> {
    let mut delete = store.prepare_cached("DELETE FROM datum WHERE request_id = ?1 AND sequence IS NULL")?;
    delete.execute(params![request_id])
}

/// Lets go of what waits for a proposal.
pub(super) fn abandon_proposal(store: &Connection, proposal: Sequence) -> rusqlite::Result<usize> {
    let mut delete = store.prepare_cached(
        "DELETE FROM datum WHERE proposal_sequence = ?1 AND proposal IS NOT NULL AND sequence IS NULL",
    )?;
    delete.execute(params![proposal.0])
}

pub(super) fn waiting(store: &Connection) -> rusqlite::Result<Vec<(RequestId, Option<RequestId>)>> {
    let mut query = store.prepare("SELECT DISTINCT request_id, proposal FROM datum WHERE sequence IS NULL")?;
    let rows = query.query_map([], |row| {
        let proposal: Option<String> = row.get(1)?;
        Ok((RequestId::stored(row.get::<_, String>(0)?), proposal.map(RequestId::stored)))
    })?;
    rows.collect()
}

pub(super) fn list(store: &Connection, of: Listed, after: i64, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    const COLUMNS: &str = "SELECT id, sequence, party, field, commitment, restricted, sealed IS NULL FROM datum";
    let (condition, party, sequence) = match of {
        Listed::Party(party) => ("party = ?1 AND ?2 IS NULL AND sequence IS NOT NULL", Some(party.0), None),
        Listed::Event(sequence) => ("sequence = ?2 AND ?1 IS NULL", None, Some(sequence.0)),
    };
    let mut query = store.prepare_cached(&format!("{COLUMNS} WHERE {condition} AND id > ?3 ORDER BY id LIMIT ?4"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_map(params![party, sequence, after, limit], |row| {
        let (is_restricted, is_erased): (bool, bool) = (row.get(5)?, row.get(6)?);
        let number: i32 = row.get(3)?;
        let field =
            PersonalField::from_number(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(3, number.into()))?;
        Ok(Entry {
            id: row.get(0)?,
            sequence: Sequence(row.get(1)?),
            party: PayeeRef(array(row, 2)?),
            field,
            commitment: array(row, 4)?,
            state: match (is_erased, is_restricted) {
                (true, _) => DatumState::Erased,
                (false, true) => DatumState::Restricted,
                (false, false) => DatumState::Present,
            },
        })
    })?;
    rows.collect()
}

pub(super) fn wrapped_key(store: &Connection, party: &PayeeRef) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut query = store.prepare_cached("SELECT wrapped_key FROM party WHERE party = ?1")?;
    query.query_row(params![party.0], |row| row.get(0)).optional()
}

pub(super) fn set_wrapped_key(store: &Connection, party: &PayeeRef, wrapped: &[u8]) -> rusqlite::Result<()> {
    // An update in place is overwritten like a deletion.
    let mut insert = store.prepare_cached(
        "INSERT INTO party VALUES (?1, ?2) ON CONFLICT (party) DO UPDATE SET wrapped_key = excluded.wrapped_key",
    )?;
    insert.execute(params![party.0, wrapped]).map(drop)
}

pub(super) fn delete_key(store: &Connection, party: &PayeeRef) -> rusqlite::Result<()> {
    store.prepare_cached("DELETE FROM party WHERE party = ?1")?.execute(params![party.0]).map(drop)
}

pub(super) fn followed(store: &Connection) -> rusqlite::Result<i64> {
    store.query_row("SELECT sequence FROM followed", [], |row| row.get(0))
}

/// Forgets events after a sequence: what they had brought waits again.
pub(super) fn rewind(store: &Connection, sequence: i64) -> rusqlite::Result<()> {
    store.execute("UPDATE datum SET sequence = NULL WHERE sequence > ?1", params![sequence])?;
    set_followed(store, sequence)
}

pub(super) fn set_followed(store: &Connection, sequence: i64) -> rusqlite::Result<()> {
    store.prepare_cached("UPDATE followed SET sequence = ?1")?.execute(params![sequence]).map(drop)
}

/// Brings everything into the main file and cuts the journal off, which still holds what was overwritten.
pub(super) fn empty_journal(store: &Connection) -> rusqlite::Result<()> {
    let is_busy: bool = store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        // Nobody else has the vault open: the directory is locked.
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}
