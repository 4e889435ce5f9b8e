//! A filter's own `[config]` table as the JSON text it is configured with.

use std::path::Path;

use lazaret_config::{ConfigError, LIST_FILE_LIMIT, Source, Table, Value, read_list, read_text};
use serde_json::Value as Json;

/// Most octets of the JSON text.
const CONFIG_LIMIT: usize = 32 << 20;

/// `{ lines = "file" }` becomes an array of the file's entries, `{ file = "file" }` its text, anywhere in the table.
pub(super) fn resolve(
    config: Table,
    source: &Source,
    reading: &mut dyn FnMut(&Path),
) -> Result<String, ConfigError> {
    let json = value(Value::Table(config), source, reading)?.to_string();
    if json.len() > CONFIG_LIMIT {
        let problem = format!("[config] with its lists is over {} MiB", CONFIG_LIMIT >> 20);
        return Err(ConfigError::new(source.path(), problem).cure("shorten the lists"));
    }
    Ok(json)
}

fn value(
    written: Value,
    source: &Source,
    reading: &mut dyn FnMut(&Path),
) -> Result<Json, ConfigError> {
    Ok(match written {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| {
                let problem = format!("[config] holds {number}, which JSON cannot say");
                source.error_at(&["config"], problem)
            })?,
        Value::Boolean(truth) => truth.into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(entries) => {
            let entries = entries
                .into_iter()
                .map(|entry| value(entry, source, reading));
            entries.collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Table(table) => match outside(&table) {
            Some((key, path)) => {
                let file = source.directory().join(path);
                reading(&file);
                read_outside(key, &file).map_err(|error| source.naming(path, error))?
            }
            None => {
                let entries = table
                    .into_iter()
                    .map(|(key, entry)| Ok((key, value(entry, source, reading)?)));
                Json::Object(entries.collect::<Result<_, ConfigError>>()?)
            }
        },
    })
}

fn read_outside(key: &str, path: &Path) -> Result<Json, ConfigError> {
    match key {
        "lines" => Ok(read_list(path, LIST_FILE_LIMIT)?.into()),
        _ => Ok(read_text(path, LIST_FILE_LIMIT)?.into()),
    }
}

/// A table of nothing but `lines` or `file`, and the path it names.
fn outside(table: &Table) -> Option<(&str, &str)> {
    let mut entries = table.iter();
    let (key, value) = entries.next()?;
    let alone = entries.next().is_none() && matches!(key.as_str(), "lines" | "file");
    Some((key.as_str(), value.as_str()?)).filter(|_| alone)
}
