//! A memory cgroup for one process (Linux, either hierarchy): what it takes from now on counts, pages of its files included.

use std::fs;
use std::path::{Path, PathBuf};

/// It ends with this value; a process that was put into it goes back to where everybody is.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    /// once it is in it
    process: Option<u32>,
    hierarchy: &'static Hierarchy,
}

#[derive(Debug)]
struct Hierarchy {
    root: &'static str,
    limit: &'static str,
    /// the file that counts how often the limit was met, and the word before the number; none where it is all there is
    met: (&'static str, &'static str),
}

/// cgroups(7), the kernel's cgroup-v1/memory.rst and cgroup-v2.rst.
const HIERARCHIES: [Hierarchy; 2] = [
    Hierarchy {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        met: ("memory.failcnt", ""),
    },
    Hierarchy {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        met: ("memory.events", "max "),
    },
];

impl Cgroup {
    /// Puts the process into one that gives it `octets` more than it has. The error says why there is none.
    pub fn around(process: u32, octets: u64) -> Result<Self, String> {
        let known = HIERARCHIES.iter().find_map(|hierarchy| {
            let dir = Path::new(hierarchy.root).join(format!("lazaret-faults-{process}"));
            fs::create_dir(&dir).ok()?;
            let group = Self {
                dir,
                process: None,
                hierarchy,
            };
            // Dropped, it is removed.
            group.dir.join(hierarchy.limit).exists().then_some(group)
        });
        let mut group = known.ok_or("no memory cgroup may be made")?;
        let set = group.write(group.hierarchy.limit, octets);
        set.and_then(|()| group.write("cgroup.procs", process.into()))
            .map_err(|error| format!("the memory cgroup takes no process: {error}"))?;
        group.process = Some(process);
        Ok(group)
    }

    /// How often pages had to be given up because of it.
    pub fn met(&self) -> u64 {
        let (file, word) = self.hierarchy.met;
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        let number = text.lines().find_map(|line| line.strip_prefix(word));
        number.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
    }

    fn write(&self, file: &str, number: u64) -> std::io::Result<()> {
        fs::write(self.dir.join(file), number.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let all = Path::new(self.hierarchy.root).join("cgroup.procs");
            // It may have ended, and then it is in none.
            let _ = fs::write(all, process.to_string());
        }
        let _ = fs::remove_dir(&self.dir);
    }
}
