//! Who is never counted.

use lazaret_filter::{Network, session};
use serde::Deserialize;

/// The `[config.exempt]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Exemptions {
    /// clients
    networks: Vec<Network>,
    /// names that were logged in with
    users: Vec<String>,
    /// mailboxes, `local-part@` and domains
    senders: Vec<String>,
    /// as `senders`
    recipients: Vec<String>,
}

impl Exemptions {
    /// # Errors
    /// For an entry that holds for all.
    pub fn check(mut self) -> Result<Self, String> {
        for list in [&mut self.users, &mut self.senders, &mut self.recipients] {
            if list.iter().any(String::is_empty) {
                return Err(
                    "exempt: an entry is empty and would hold for all; remove it".to_owned(),
                );
            }
            list.iter_mut()
                .for_each(|entry| *entry = entry.to_lowercase());
        }
        Ok(self)
    }

    /// By who sends.
    pub fn spare_session(&self, sender: &str) -> bool {
        let client = session::client_ip();
        self.networks.iter().any(|network| network.contains(client))
            || is_listed(&self.senders, sender)
            || self.spare_user()
    }

    fn spare_user(&self) -> bool {
        let user = session::user().map(|user| user.to_lowercase());
        user.is_some_and(|user| self.users.contains(&user))
    }

    /// By who receives.
    pub fn spare_recipient(&self, recipient: &str) -> bool {
        is_listed(&self.recipients, recipient)
    }
}

/// `anna@example.org` is a mailbox, `abuse@` that local part anywhere, `example.org` a domain and all below it.
fn is_listed(entries: &[String], mailbox: &str) -> bool {
    let mailbox = mailbox.to_lowercase();
    let (local_part, domain) = mailbox.rsplit_once('@').unwrap_or((&mailbox, ""));
    entries.iter().any(|entry| match entry.strip_suffix('@') {
        Some(wanted) => wanted == local_part,
        None => *entry == mailbox || is_below(domain, entry),
    })
}

fn is_below(name: &str, domain: &str) -> bool {
    let above = name.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}
