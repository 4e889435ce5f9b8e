//! The filters that the program brings along: which there are, and how they get into a filter directory.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use lazaret_bundled::{ALL, Bundled, FURTHER};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::arguments::{Install, Print};
use crate::exit::{Exit, Failure};
use crate::output::{self, Table};
use crate::shipped::{self, Fate, Shipped};

/// Directories below a filter directory that hold its lists.
const LEVELS: u32 = 3;

/// `lazaret filters shipped`: what there is, and what each asks for.
pub fn list(print: Print) -> Result<Exit, Failure> {
    output::say(&match print.json {
        true => output::json(&Value::from_iter(all().map(about))),
        false => {
            table().print(0)
                + "\nThey get into a directory by `lazaret filters install NAME.. --dir DIR`.\n"
        }
    })?;
    Ok(Exit::Good)
}

/// `lazaret filters install`: writes what is missing, renews what is still ours, keeps what is somebody's.
pub fn install(arguments: &Install) -> Result<Exit, Failure> {
    let dir = &arguments.dir;
    if !dir.is_dir() {
        let problem = format!("--dir {}: there is no such directory", dir.display());
        return Err(Failure::usage(problem));
    }
    let files = write(dir, &chosen(arguments)?)?;
    output::say(&match arguments.print.json {
        true => output::json(&told(dir, &files)),
        false => text(dir, &files),
    })?;
    // A component of somebody else is not the filter that was asked for; a policy of somebody else is as it should be.
    let foreign = |(name, fate): &(String, Fate)| *fate == Fate::Kept && name.ends_with(".wasm");
    Ok(match files.iter().any(foreign) {
        true => Exit::Bad,
        false => Exit::Good,
    })
}

/// Filters whose policy is in a directory and whose component is not: a copy of it with those that the program brings
/// along. None where nothing is missing that it has.
///
/// # Errors
/// The directory cannot be copied.
pub fn completed(dir: &Path) -> Result<Option<(TempDir, Vec<&'static str>)>, Failure> {
    let is_missing = |filter: &&Bundled| {
        let stem = shipped::stem(dir, filter.name);
        stem.is_some_and(|stem| !dir.join(format!("{stem}.wasm")).exists())
    };
    let missing: Vec<_> = all().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let uncopied =
        |error| Failure::temporary(format!("{} cannot be copied: {error}", dir.display()));
    let copy = tempfile::tempdir().map_err(uncopied)?;
    copy_files(dir, copy.path(), LEVELS).map_err(uncopied)?;
    write(copy.path(), &missing)?;
    let names = missing.iter().map(|filter| filter.name).collect();
    Ok(Some((copy, names)))
}

fn copy_files(from: &Path, to: &Path, levels: u32) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_file() {
            fs::copy(path, to)?;
        } else if path.is_dir() && levels > 0 {
            fs::create_dir(&to)?;
            copy_files(&path, &to, levels - 1)?;
        }
    }
    Ok(())
}

fn all() -> impl Iterator<Item = &'static Bundled> {
    ALL.iter().chain(&FURTHER)
}

/// Those that are named; without a name those whose policy is in the directory.
fn chosen(arguments: &Install) -> Result<Vec<&'static Bundled>, Failure> {
    if arguments.names.is_empty() {
        let there = |filter: &&Bundled| shipped::stem(&arguments.dir, filter.name).is_some();
        let chosen: Vec<_> = all().filter(there).collect();
        return match chosen.is_empty() {
            false => Ok(chosen),
            true => Err(Failure::usage(format!(
                "{} has no .toml of a filter that is brought along; name the filters to install: {}",
                arguments.dir.display(),
                names().join(", ")
            ))),
        };
    }
    let named = |name: &String| {
        let found = all().find(|filter| filter.name == name || filter.file == name);
        found.ok_or_else(|| unknown(name))
    };
    arguments.names.iter().map(named).collect()
}

fn names() -> Vec<&'static str> {
    all().map(|filter| filter.name).collect()
}

fn unknown(name: &str) -> Failure {
    let cure = match lazaret_config::nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().join(", ")),
    };
    Failure::bad(format!("no filter `{name}` is brought along; {cure}"))
}

fn write(dir: &Path, filters: &[&Bundled]) -> Result<Vec<(String, Fate)>, Failure> {
    let unwritten = |name: &str, error: std::io::Error| {
        let path = dir.join(name);
        Failure::usage(format!("{}: cannot be written: {error}", path.display()))
    };
    let mut shipped = Shipped::open(dir).map_err(|error| unwritten(".shipped", error))?;
    let mut files = Vec::new();
    let mut failed = None;
    for filter in filters {
        match shipped.put_filter(filter) {
            Ok(fates) => files.extend(fates),
            Err((name, error)) => failed = failed.or(Some(unwritten(&name, error))),
        }
    }
    // Also after a failure: what was written is ours, and is renewed next time.
    shipped
        .close()
        .map_err(|error| unwritten(".shipped", error))?;
    failed.map_or(Ok(files), Err)
}

fn text(dir: &Path, files: &[(String, Fate)]) -> String {
    let mut table = Table::default();
    for (name, fate) in files {
        let path = dir.join(name).display().to_string();
        let remark = match fate {
            Fate::Kept if name.ends_with(".wasm") => {
                "not ours: move it away to get the one that is brought along"
            }
            Fate::Kept => "yours",
            _ => "",
        };
        table.row([fate.word().to_owned(), path, remark.to_owned()]);
    }
    let mut text = output::printable(&table.print(0));
    let _ = writeln!(
        text,
        "\nNow read their .toml, write what is yours into them, and run `lazaret check`; its README says what each key does."
    );
    text
}

fn told(dir: &Path, files: &[(String, Fate)]) -> Value {
    let files = files
        .iter()
        .map(|(name, fate)| json!({ "file": name, "fate": fate.word() }));
    json!({ "dir": dir.display().to_string(), "files": files.collect::<Vec<_>>() })
}

fn table() -> Table {
    let mut table = Table::new(&["filter", "as", "size", "demo", "does", "wants"]);
    for filter in all() {
        table.row([
            filter.name.to_owned(),
            filter.file.to_owned(),
            format!("{} kB", filter.wasm.len() / 1000),
            if in_demo(filter) { "yes" } else { "no" }.to_owned(),
            filter.summary().to_owned(),
            wants(filter).join(" "),
        ]);
    }
    table
}

fn about(filter: &Bundled) -> Value {
    json!({
        "name": filter.name,
        "file": filter.file,
        "octets": filter.wasm.len(),
        "demo": in_demo(filter),
        "does": filter.summary(),
        "grant": wants(filter),
        "readme": filter.readme,
    })
}

fn in_demo(filter: &Bundled) -> bool {
    ALL.iter().any(|it| it.name == filter.name)
}

/// The rights that its policy grants as shipped.
fn wants(filter: &Bundled) -> Vec<String> {
    let policy: Result<Value, _> = lazaret_config::parse(Path::new(filter.file), filter.policy);
    let policy = policy.expect("what is shipped is TOML: tested");
    let granted = policy["grant"].as_array().into_iter().flatten();
    granted
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_is_told_with_what_it_does_and_wants() {
        for filter in all() {
            let about = about(filter);
            assert!(!filter.summary().is_empty(), "{about}");
            assert!(!wants(filter).is_empty(), "{about}");
        }
        let table = table().print(0);
        assert!(table.contains("greylist     60-greylist"), "{table}");
        assert!(table.contains("who is unknown comes again"), "{table}");
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        assert_eq!(
            unknown("greylst").to_string(),
            "no filter `greylst` is brought along; did you mean `greylist`?"
        );
        let far = unknown("virusscanner").to_string();
        assert!(far.contains("there are access, rules"), "{far}");
    }
}
