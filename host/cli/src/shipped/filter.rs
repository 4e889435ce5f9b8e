//! One bundled filter as files of a filter directory: component, policy, lists.

use std::fs;
use std::io;
use std::path::Path;

use lazaret_bundled::Bundled;

use super::{Fate, Shipped};

impl Shipped {
    /// Writes what is missing of the filter. Where the directory has its policy under another number, the component goes
    /// beside that one; of the lists, those that the policy names.
    ///
    /// # Errors
    /// With the name of the file that cannot be read or written.
    pub fn put_filter(
        &mut self,
        filter: &Bundled,
    ) -> Result<Vec<(String, Fate)>, (String, io::Error)> {
        let stem = stem(&self.dir, filter.name).unwrap_or_else(|| filter.file.to_owned());
        let (wasm, policy) = (format!("{stem}.wasm"), format!("{stem}.toml"));
        let mut put = |name: String, octets: &[u8]| match self.put(&name, octets) {
            Ok(fate) => Ok((name, fate)),
            Err(error) => Err((name, error)),
        };
        let mut fates = vec![
            put(wasm, filter.wasm)?,
            put(policy.clone(), filter.policy.as_bytes())?,
        ];
        let written = fs::read_to_string(self.dir.join(&policy)).unwrap_or_default();
        for (name, text) in filter.lists {
            if written.contains(&format!("\"{name}\"")) {
                let put = self.put(name, text.as_bytes());
                fates.push(put.map_or_else(
                    |error| Err(((*name).to_owned(), error)),
                    |fate| Ok(((*name).to_owned(), fate)),
                )?);
            }
        }
        Ok(fates)
    }
}

/// `45-auth` where the directory has `45-auth.toml`.
pub fn stem(dir: &Path, name: &str) -> Option<String> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let mut stems: Vec<_> = entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let stem = file.strip_suffix(".toml")?;
            let (number, rest) = stem.split_once('-')?;
            let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            (numbered && rest == name).then(|| stem.to_owned())
        })
        .collect();
    stems.sort();
    stems.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Bundled = Bundled {
        name: "access",
        file: "10-access",
        wasm: b"component",
        policy: "deny = { lines = \"lists/deny.txt\" }\n",
        readme: "",
        lists: &[("lists/deny.txt", "# nobody\n"), ("lists/other.txt", "")],
    };

    fn put(dir: &Path) -> Vec<String> {
        let mut shipped = Shipped::open(dir).unwrap();
        let fates = shipped.put_filter(&ACCESS).unwrap();
        shipped.close().unwrap();
        let words = |(name, fate): (String, Fate)| format!("{} {name}", fate.word());
        fates.into_iter().map(words).collect()
    }

    #[test]
    fn a_filter_is_its_component_policy_and_the_lists_that_it_names() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["10-access.wasm", "10-access.toml", "lists/deny.txt"];
        assert_eq!(put(dir.path()), files.map(|file| format!("written {file}")));
        assert_eq!(put(dir.path()), files.map(|file| format!("same {file}")));
        assert!(!dir.path().join("lists/other.txt").exists());
    }

    /// Two filters of one name after the number would be refused.
    #[test]
    fn the_number_that_the_operator_gave_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("12-access.toml"), "mode = \"off\"\n").unwrap();
        fs::write(dir.path().join("12-no-access.toml"), "").unwrap();
        assert_eq!(
            put(dir.path()),
            ["written 12-access.wasm", "kept 12-access.toml"]
        );
        assert!(!dir.path().join("10-access.toml").exists());
        assert!(!dir.path().join("lists").exists());
    }
}
