//! The database's tables, and what a commit does to them.

use std::io;
use std::ops::Range;

use openraft::LogIdOptionExt;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};

use super::error::to_io;
use super::snapshot::SnapshotHeader;
use super::weight::Weight;
use crate::codec::{self, Kind, Versioned};
use crate::types::TypeConfig;

type Entry = EntryOf<TypeConfig>;
type LogId = LogIdOf<TypeConfig>;
type Vote = VoteOf<TypeConfig>;

/// Index to sealed entry.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Name to sealed record.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// What the node keeps for itself: name to sealed record.
const LOCAL: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("local");
/// 0 to the sealed header, 1 and up to the sealed parts.
const SNAPSHOT: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("snapshot");

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

impl Versioned for Entry {
    const KIND: Kind = Kind::Entry;
}

impl Versioned for Vote {
    const KIND: Kind = Kind::Vote;
}

impl Versioned for LogId {
    const KIND: Kind = Kind::LogId;
}

/// One write. All bytes are sealed.
pub(super) enum Write {
    /// Entries with their index, in order.
    Append(Vec<(u64, Vec<u8>)>),
    /// Drops what follows.
    Truncate(Option<LogId>),
    /// Drops everything up to here.
    Purge(LogId),
    Vote(Vote),
    /// Nothing but the note of how far the log is committed, which goes along with every write but an append.
    Note,
    Local {
        key: &'static str,
        record: Vec<u8>,
    },
    /// Replaces the stored snapshot by a newer one; an older one is passed over.
    Snapshot {
        last: Option<LogId>,
        header: Vec<u8>,
        parts: Vec<Vec<u8>>,
    },
}

/// What the log was when it was opened.
pub(super) struct Loaded {
    pub(super) begin: u64,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) weight: Weight,
}

/// Makes the tables where they are missing, and reads what is needed at hand.
pub(super) fn load(database: &Database) -> Result<Loaded, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => create(database)?,
        other => drop(other?),
    }
    drop(transaction);
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let purged: Option<LogId> = record(&meta, PURGED)?;
    let log = transaction.open_table(LOG)?;
    let begin = log.first()?.map_or(purged.next_index(), |(index, _)| index.value());
    let last = match log.last()? {
        Some((_, bytes)) => Some(codec::unseal::<Entry>(bytes.value()).map_err(io::Error::from)?.log_id),
        None => purged,
    };
    let committed: Option<LogId> = record(&meta, COMMITTED)?;
    let mut weight = Weight::default();
    for item in log.iter()? {
        let (index, record) = item?;
        weight.append(index.value(), record.value().len());
    }
    Ok(Loaded { begin, purged, last, vote: record(&meta, VOTE)?, committed: committed.min(last), weight })
}

fn create(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(LOG)?;
    transaction.open_table(META)?;
    transaction.open_table(LOCAL)?;
    transaction.open_table(SNAPSHOT)?;
    transaction.commit()?;
    Ok(())
}

fn record<T: Versioned>(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> io::Result<Option<T>> {
    let bytes = table.get(key).map_err(to_io)?;
    Ok(bytes.map(|bytes| codec::unseal(bytes.value())).transpose()?)
}

/// Reads the entries of a range, each of which must be there, up to about `limit` bytes, but one at least.
pub(super) fn entries(disk: &ReadTransaction, range: Range<u64>, limit: usize) -> io::Result<Vec<Entry>> {
    let log = disk.open_table(LOG).map_err(to_io)?;
    let mut entries = Vec::new();
    let (mut next, mut read) = (range.start, 0);
    for item in log.range(range.clone()).map_err(to_io)? {
        let (index, record) = item.map_err(to_io)?;
        if index.value() != next {
            break;
        }
        read += record.value().len();
        if read > limit && !entries.is_empty() {
            return Ok(entries);
        }
        entries.push(codec::unseal(record.value())?);
        next += 1;
    }
    if next < range.end {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("entry {next} is missing in the log")));
    }
    Ok(entries)
}

/// Reads what the node keeps for itself.
pub(super) fn local<T: Versioned>(disk: &ReadTransaction, key: &str) -> io::Result<Option<T>> {
    record(&disk.open_table(LOCAL).map_err(to_io)?, key)
}

/// Reads the stored snapshot: its header, and its parts put together.
pub(super) fn snapshot(disk: &ReadTransaction) -> io::Result<Option<(SnapshotHeader, Vec<u8>)>> {
    let table = disk.open_table(SNAPSHOT).map_err(to_io)?;
    let Some(header) = table.get(0).map_err(to_io)? else { return Ok(None) };
    let header: SnapshotHeader = codec::unseal(header.value())?;
    let mut bytes = Vec::new();
    for item in table.range(1..).map_err(to_io)? {
        let (_, part) = item.map_err(to_io)?;
        bytes.extend_from_slice(codec::unseal_bytes(Kind::SnapshotPart, part.value())?);
    }
    if u64::try_from(bytes.len()) != Ok(header.bytes) {
        let message = format!("the stored snapshot has {} bytes, not {} as its header says", bytes.len(), header.bytes);
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some((header, bytes)))
}

/// Does all writes in one transaction and returns when they are durable.
pub(super) fn commit<'a>(
    database: &Database,
    writes: impl Iterator<Item = &'a Write>,
    committed: Option<LogId>,
) -> io::Result<()> {
    let transaction = database.begin_write().map_err(to_io)?;
    {
        let mut log = transaction.open_table(LOG).map_err(to_io)?;
        let mut meta = transaction.open_table(META).map_err(to_io)?;
        for write in writes {
            perform(&transaction, &mut log, &mut meta, write).map_err(to_io)?;
        }
        if let Some(committed) = committed {
            put(&mut meta, COMMITTED, &committed).map_err(to_io)?;
        }
    }
    transaction.commit().map_err(to_io)
}

fn perform(
    transaction: &WriteTransaction,
    log: &mut Table<'_, u64, &'static [u8]>,
    meta: &mut Table<'_, &'static str, &'static [u8]>,
    write: &Write,
) -> Result<(), redb::Error> {
    match write {
        Write::Append(records) => {
            for (index, record) in records {
                log.insert(index, record.as_slice())?;
            }
        }
        Write::Truncate(after) => log.retain_in(after.next_index().., |_, _| false)?,
        Write::Purge(upto) => {
            log.retain_in(..=upto.index, |_, _| false)?;
            put(meta, PURGED, upto)?;
        }
        Write::Vote(vote) => put(meta, VOTE, vote)?,
        Write::Note => {}
        Write::Local { key, record } => {
            transaction.open_table(LOCAL)?.insert(key, record.as_slice())?;
        }
        Write::Snapshot { last, header, parts } => {
            replace_snapshot(&mut transaction.open_table(SNAPSHOT)?, *last, header, parts)?;
        }
    }
    Ok(())
}

fn put<T: Versioned>(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &'static str,
    value: &T,
) -> Result<(), redb::Error> {
    let record = codec::seal(value).map_err(io::Error::from)?;
    table.insert(key, record.as_slice())?;
    Ok(())
}

fn replace_snapshot(
    table: &mut Table<'_, u32, &'static [u8]>,
    last: Option<LogId>,
    header: &[u8],
    parts: &[Vec<u8>],
) -> Result<(), redb::Error> {
    let stored = table.get(0)?.map(|header| codec::unseal::<SnapshotHeader>(header.value())).transpose();
    // A snapshot may be built while a newer one arrives. Two at the same place hold the same state.
    if stored.map_err(io::Error::from)?.is_some_and(|stored| stored.meta.last_log_id >= last) {
        return Ok(());
    }
    table.retain(|_, _| false)?;
    table.insert(0, header)?;
    for (number, part) in (1..).zip(parts) {
        table.insert(number, part.as_slice())?;
    }
    Ok(())
}
