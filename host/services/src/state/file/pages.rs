//! The tables of a state file.

use redb::{
    Database, ReadableDatabase, ReadableTable, Table, TableDefinition, TableHandle,
    WriteTransaction,
};

use crate::state::ledger::{Entry, Pages, Usage, Value};

/// By space and key: the end, a tag, the value.
const ENTRIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("entries");
/// Of each space, ends in order, with the key.
const ENDS: TableDefinition<(&str, u64, &str), ()> = TableDefinition::new("ends-by-space");
/// The same in files of version 1: of all spaces together.
const MIXED_ENDS: TableDefinition<(u64, &str, &str), ()> = TableDefinition::new("ends");
/// Keys and octets of each space.
const USAGE: TableDefinition<&str, (u64, u64)> = TableDefinition::new("usage");
/// That it is ours, and since which version it looks like this.
const FORMAT: TableDefinition<&str, u32> = TableDefinition::new("lazaret");
const VERSION: u32 = 2;

const OCTETS: u8 = b'o';
const NUMBER: u8 = b'n';

/// Why a file is none of ours.
pub enum Unclaimed {
    Foreign(String),
    Broken(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Unclaimed {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Makes an empty file ours; refuses one that is somebody else's, or of a later version.
pub fn claim(database: &Database) -> Result<(), Unclaimed> {
    let reading = database.begin_read()?;
    let names: Vec<_> = reading.list_tables()?.collect();
    if names.is_empty() {
        let writing = database.begin_write()?;
        writing.open_table(FORMAT)?.insert("version", VERSION)?;
        drop(Tables::open(&writing)?);
        return Ok(writing.commit()?);
    }
    if !names.iter().any(|table| table.name() == FORMAT.name()) {
        return Err(Unclaimed::Foreign(
            "another program's tables are in it".into(),
        ));
    }
    let format = reading.open_table(FORMAT)?;
    match format.get("version")?.map(|version| version.value()) {
        Some(VERSION) => Ok(()),
        Some(1) => Ok(sort_ends(database)?),
        other => Err(Unclaimed::Foreign(format!(
            "it has version {}, this program writes {VERSION}",
            other.unwrap_or_default()
        ))),
    }
}

/// A file of version 1 becomes one of this version, in one transaction.
fn sort_ends(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let entries = writing.open_table(ENTRIES)?;
        let mut ends = writing.open_table(ENDS)?;
        for entry in entries.iter()? {
            let (name, octets) = entry?;
            let (space, key) = name.value();
            ends.insert((space, decode(octets.value())?.until, key), ())?;
        }
        writing.open_table(FORMAT)?.insert("version", VERSION)?;
    }
    writing.delete_table(MIXED_ENDS)?;
    Ok(writing.commit()?)
}

/// All tables, within one transaction.
pub struct Tables<'t> {
    entries: Table<'t, (&'static str, &'static str), &'static [u8]>,
    ends: Table<'t, (&'static str, u64, &'static str), ()>,
    usage: Table<'t, &'static str, (u64, u64)>,
    changed: bool,
}

impl<'t> Tables<'t> {
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            ends: transaction.open_table(ENDS)?,
            usage: transaction.open_table(USAGE)?,
            changed: false,
        })
    }

    /// Was anything written?
    pub fn close(self) -> Result<bool, redb::Error> {
        Ok(self.changed)
    }
}

impl Pages<redb::Error> for Tables<'_> {
    fn entry(&mut self, space: &str, key: &str) -> Result<Option<Entry>, redb::Error> {
        let held = self.entries.get((space, key))?;
        held.map(|octets| decode(octets.value())).transpose()
    }

    fn write(&mut self, space: &str, key: &str, entry: &Entry) -> Result<(), redb::Error> {
        self.changed = true;
        let octets = encode(entry);
        let before = self.entries.insert((space, key), &*octets)?;
        let before = before.map(|octets| decode(octets.value())).transpose()?;
        if let Some(before) = before.filter(|before| before.until != entry.until) {
            self.ends.remove((space, before.until, key))?;
        }
        self.ends.insert((space, entry.until, key), ())?;
        Ok(())
    }

    fn erase(&mut self, space: &str, key: &str) -> Result<(), redb::Error> {
        self.changed = true;
        let held = self.entries.remove((space, key))?;
        let held = held.map(|octets| decode(octets.value())).transpose()?;
        if let Some(held) = held {
            self.ends.remove((space, held.until, key))?;
        }
        Ok(())
    }

    fn usage(&mut self, space: &str) -> Result<Usage, redb::Error> {
        let noted = self.usage.get(space)?.map(|noted| noted.value());
        let (keys, size) = noted.unwrap_or_default();
        Ok(Usage { keys, size })
    }

    fn note_usage(&mut self, space: &str, usage: Usage) -> Result<(), redb::Error> {
        self.changed = true;
        match usage.keys {
            0 => drop(self.usage.remove(space)?),
            keys => drop(self.usage.insert(space, (keys, usage.size))?),
        }
        Ok(())
    }

    fn spaces(&mut self) -> Result<Vec<String>, redb::Error> {
        let noted = self.usage.iter()?;
        let names = noted.map(|noted| Ok(noted?.0.value().to_owned()));
        names.collect()
    }

    fn expired(&mut self, space: &str, now: u64, most: usize) -> Result<Vec<String>, redb::Error> {
        let later = now.saturating_add(1);
        let ended = self.ends.range((space, 0, "")..(space, later, ""))?;
        let keys = ended.take(most).map(|end| Ok(end?.0.value().2.to_owned()));
        keys.collect()
    }
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut octets = entry.until.to_be_bytes().to_vec();
    match &entry.value {
        Value::Octets(value) => {
            octets.push(OCTETS);
            octets.extend_from_slice(value);
        }
        Value::Number(number) => {
            octets.push(NUMBER);
            octets.extend_from_slice(&number.to_be_bytes());
        }
    }
    octets
}

fn decode(octets: &[u8]) -> Result<Entry, redb::Error> {
    let parts = octets.split_first_chunk().and_then(|(until, rest)| {
        let value = match rest.split_first()? {
            (&OCTETS, value) => Value::Octets(value.to_vec()),
            (&NUMBER, number) => Value::Number(i32::from_be_bytes(number.try_into().ok()?)),
            _ => return None,
        };
        Some(Entry {
            until: u64::from_be_bytes(*until),
            value,
        })
    });
    parts.ok_or_else(|| redb::Error::Corrupted("an entry that is none".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::ledger;

    fn empty() -> Database {
        let memory = redb::backends::InMemoryBackend::new();
        Database::builder().create_with_backend(memory).unwrap()
    }

    #[test]
    fn what_expired_makes_room() {
        let database = empty();
        let writing = database.begin_write().unwrap();
        let mut tables = Tables::open(&writing).unwrap();
        ledger::tests::what_expired_makes_room(&mut tables);
    }

    #[test]
    fn a_file_of_version_1_keeps_what_it_holds() {
        let database = empty();
        let entry = Entry {
            until: 5000,
            value: Value::Number(7),
        };
        let writing = database.begin_write().unwrap();
        let mut format = writing.open_table(FORMAT).unwrap();
        format.insert("version", 1).unwrap();
        let mut entries = writing.open_table(ENTRIES).unwrap();
        entries.insert(("rate", "a"), &*encode(&entry)).unwrap();
        let mut ends = writing.open_table(MIXED_ENDS).unwrap();
        ends.insert((5000, "rate", "a"), ()).unwrap();
        let mut usage = writing.open_table(USAGE).unwrap();
        usage.insert("rate", (1, 2)).unwrap();
        drop((format, entries, ends, usage));
        writing.commit().unwrap();
        for _ in 0..2 {
            assert!(claim(&database).is_ok());
        }
        let writing = database.begin_write().unwrap();
        let mut tables = Tables::open(&writing).unwrap();
        assert_eq!(tables.entry("rate", "a").unwrap(), Some(entry));
        assert_eq!(tables.expired("rate", 4999, 9).unwrap(), [""; 0]);
        assert_eq!(tables.expired("rate", 5000, 9).unwrap(), ["a"]);
    }
}
