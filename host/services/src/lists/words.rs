//! Many words with what stands behind them: one text, and where each word starts in it, sorted.

/// Four octets an entry besides its text.
pub struct Words {
    /// `word value\n`, over and over
    text: Box<str>,
    starts: Box<[u32]>,
}

impl Words {
    /// Of words in lower case, without blanks. Of two that are equal the first stays. Files are small enough for their
    /// texts to be counted in 32 bits.
    pub fn new<'v>(entries: impl IntoIterator<Item = (String, &'v str)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|(later, _), (first, _)| later == first);
        let (mut text, mut starts) = (String::new(), Vec::with_capacity(entries.len()));
        for (word, value) in entries {
            let start = u32::try_from(text.len()).expect("a list file has less than 4 GiB");
            starts.push(start);
            text.push_str(&word);
            text.push(' ');
            text.push_str(value);
            text.push('\n');
        }
        Self {
            text: text.into(),
            starts: starts.into(),
        }
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// What stands behind the word; empty where nothing does.
    pub fn find(&self, wanted: &str) -> Option<String> {
        let found = self
            .starts
            .binary_search_by(|start| word(&self.text, *start).cmp(wanted));
        let start = self.starts[found.ok()?];
        let line = self.text[start as usize..].split('\n').next()?;
        let value = line.split_once(' ').map_or("", |(_, value)| value);
        Some(value.to_owned())
    }
}

fn word(text: &str, start: u32) -> &str {
    let rest = &text[start as usize..];
    rest.split(' ').next().unwrap_or_default()
}
