//! The bundled filters, ready to be written into a filter directory: each a component built from `plugins/`, its policy
//! as shipped, its README and the list files its policy names.

/// One bundled filter.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// e.g. `access`
    pub name: &'static str,
    /// stem of its files in the filter directory, e.g. `10-access`
    pub file: &'static str,
    /// the component, for `10-access.wasm`
    pub wasm: &'static [u8],
    /// its rights, limits and settings, for `10-access.toml`
    pub policy: &'static str,
    /// its documentation in Markdown
    pub readme: &'static str,
    /// files that the policy names, by path relative to it, with their text
    pub lists: &'static [(&'static str, &'static str)],
}

impl Bundled {
    /// What it does in a few words, from the first line of its policy: `# NAME: what it does. See ..`
    pub fn summary(&self) -> &'static str {
        let first = self.policy.lines().next().unwrap_or_default();
        let words = first.split_once(": ").map_or("", |(_, words)| words);
        words.split(". ").next().unwrap_or_default()
    }
}

macro_rules! bundled {
    ($name:literal, $file:literal, [$($list:literal),*]) => {
        Bundled {
            name: $name,
            file: $file,
            wasm: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
            policy: include_str!(concat!("../../", $name, "/", $file, ".toml")),
            readme: include_str!(concat!("../../", $name, "/README.md")),
            lists: &[$(($list, include_str!(concat!("../../", $name, "/", $list)))),*],
        }
    };
}

/// All of them, in the order they are asked.
pub const ALL: [Bundled; 4] = [
    bundled!(
        "access",
        "10-access",
        [
            "lists/allow-clients.txt",
            "lists/deny-clients.txt",
            "lists/deny-hellos.txt",
            "lists/allow-senders.txt",
            "lists/deny-senders.txt",
            "lists/deny-recipients.txt"
        ]
    ),
    bundled!("rules", "20-rules", []),
    bundled!("attachments", "30-attachments", []),
    bundled!("policy", "90-policy", []),
];

/// Those that need the outside world, and settings of the operator's own: not part of the demo.
pub const FURTHER: [Bundled; 6] = [
    bundled!("rate", "12-rate", []),
    bundled!("dnsbl", "15-dnsbl", []),
    bundled!("auth", "40-auth", []),
    bundled!("clamav", "50-clamav", []),
    bundled!("rspamd", "55-rspamd", []),
    bundled!("greylist", "60-greylist", []),
];
