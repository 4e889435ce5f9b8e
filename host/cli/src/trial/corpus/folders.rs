//! Which messages there are, and in which folder each is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The messages of the directories that were named. Only names are held: messages are read when it is their turn.
#[derive(Debug, Default)]
pub struct Corpus {
    /// names, in order; what people sorted their mail into
    pub folders: Vec<String>,
    /// in order of folder and name
    pub mails: Vec<Mail>,
    /// files whose names begin with a dot or with README
    pub passed_over: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// in `folders`
    pub folder: usize,
    /// the file
    pub path: PathBuf,
}

impl Corpus {
    /// Looks for files. The folder of a message is the directory right below the one that was named (`spam` of
    /// `corpus/spam/2025/1.eml`), for a message that lies in that one itself, and for a file that was named, its own directory.
    ///
    /// # Errors
    /// Something that was named is not there, cannot be read, or there is no message in all of it.
    pub fn read(named: &[PathBuf]) -> Result<Self, Failure> {
        let mut found = Vec::new();
        let mut corpus = Self::default();
        for path in named {
            let unreadable = |error| Failure::usage(format!("{}: {error}", path.display()));
            let about = fs::metadata(path).map_err(unreadable)?;
            match about.is_dir() {
                true => corpus.top(path, &mut found).map_err(unreadable)?,
                false => found.push((label(path.parent()), path.clone())),
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(
                "there is no message in what was named; name a directory with one message a file",
            ));
        }
        found.sort();
        found.dedup();
        corpus.sort_into_folders(found);
        Ok(corpus)
    }

    fn sort_into_folders(&mut self, found: Vec<(String, PathBuf)>) {
        for (folder, path) in found {
            if self.folders.last() != Some(&folder) {
                self.folders.push(folder);
            }
            let folder = self.folders.len() - 1;
            self.mails.push(Mail { folder, path });
        }
    }

    /// A directory that was named: each directory in it is a folder.
    fn top(&mut self, directory: &Path, found: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let folder = match is_directory(&path) {
                true => label(Some(&path)),
                false => label(Some(directory)),
            };
            self.below(&path, &folder, found)?;
        }
        Ok(())
    }

    /// All files at and below `path`. A link is followed to a file, not to a directory: it may lead back.
    fn below(
        &mut self,
        path: &Path,
        folder: &str,
        found: &mut Vec<(String, PathBuf)>,
    ) -> std::io::Result<()> {
        if is_no_message(path) {
            self.passed_over += 1;
        } else if is_directory(path) {
            for entry in fs::read_dir(path)? {
                self.below(&entry?.path(), folder, found)?;
            }
        } else if fs::metadata(path).is_ok_and(|about| about.is_file()) {
            found.push((folder.to_owned(), path.to_owned()));
        } else {
            self.passed_over += 1;
        }
        Ok(())
    }
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// Hidden ones, and what says what the others are.
fn is_no_message(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let readme = name
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("readme"));
    name.starts_with('.') || readme
}

/// The last part of its name; of `.` and `..`, that of the directory they mean.
fn label(directory: Option<&Path>) -> String {
    let directory = directory.filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let meant = match directory.file_name() {
        Some(_) => directory.to_owned(),
        None => fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned()),
    };
    let name = meant.file_name().unwrap_or(meant.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "From: a@example.com\n\n").unwrap();
        }
        dir
    }

    fn seen(dir: &Path, named: &[&str]) -> (Vec<String>, u64) {
        let named: Vec<_> = named.iter().map(|name| dir.join(name)).collect();
        let corpus = Corpus::read(&named).unwrap();
        let told = corpus.mails.iter().map(|mail| {
            let path = mail.path.strip_prefix(dir).unwrap().display();
            format!("{}: {path}", corpus.folders[mail.folder])
        });
        (told.collect(), corpus.passed_over)
    }

    #[test]
    fn the_first_directory_below_is_the_folder() {
        let dir = tree(&[
            "c/README.md",
            "c/.git/x",
            "c/spam/2.eml",
            "c/spam/old/1.eml",
            "c/ham/1.eml",
            "c/loose.eml",
        ]);
        let (mails, passed_over) = seen(dir.path(), &["c"]);
        let expected = [
            "c: c/loose.eml",
            "ham: c/ham/1.eml",
            "spam: c/spam/2.eml",
            "spam: c/spam/old/1.eml",
        ];
        assert_eq!(mails, expected);
        assert_eq!(passed_over, 2, "README.md and .git");
    }

    #[test]
    fn several_directories_and_files_may_be_named() {
        let dir = tree(&["a/1", "b/1", "c/1"]);
        let (mails, _) = seen(dir.path(), &["b", "a", "c/1", "c"]);
        assert_eq!(mails, ["a: a/1", "b: b/1", "c: c/1"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_twice() {
        use std::os::unix::fs::symlink;
        let dir = tree(&["c/ham/1"]);
        let ham = dir.path().join("c/ham");
        symlink(dir.path(), ham.join("up")).unwrap();
        symlink(ham.join("1"), ham.join("2")).unwrap();
        symlink(ham.join("gone"), ham.join("3")).unwrap();
        let (mails, passed_over) = seen(dir.path(), &["c"]);
        assert_eq!(mails, ["ham: c/ham/1", "ham: c/ham/2"]);
        assert_eq!(passed_over, 2, "the link up and the dead one");
    }

    #[test]
    fn nothing_to_try_is_said() {
        let dir = tree(&["c/README"]);
        for (name, words) in [("c", "no message"), ("nowhere", "nowhere")] {
            let said = Corpus::read(&[dir.path().join(name)]).unwrap_err();
            assert!(said.to_string().contains(words), "{said}");
        }
    }
}
