//! Several commands at once (RFC 2920).

use lazaret_smtp::{Command, Keyword, Reply};

use super::Link;
use crate::backend::{Error, Step};

/// Commands are sent ahead of their replies up to so many octets: however long the replies are, neither side then waits
/// for the other to read (RFC 2920 section 3.1).
const GROUP: usize = 4 << 10;

impl Link {
    /// Sends commands and gives their replies in order: as few writes as there can be if the backend offers PIPELINING
    /// (RFC 2920), else one for each. None of them may be one that ends a group, but for the last.
    pub(in crate::backend) async fn ask_all(
        &mut self,
        commands: &[(Step, Command)],
    ) -> Result<Vec<Reply>, Error> {
        let mut replies = Vec::with_capacity(commands.len());
        self.ask_into(&mut replies, commands).await?;
        Ok(replies)
    }

    /// The same. What was answered before an error is among the replies.
    pub(in crate::backend) async fn ask_into(
        &mut self,
        replies: &mut Vec<Reply>,
        commands: &[(Step, Command)],
    ) -> Result<(), Error> {
        let mut rest = commands;
        while let Some((step, _)) = rest.first() {
            self.look(*step)?;
            let (group, others) = rest.split_at(self.send_group(rest));
            self.flush(*step).await?;
            for (step, command) in group {
                replies.push(self.hear(*step, Some(command), self.reply).await?);
            }
            rest = others;
        }
        Ok(())
    }

    /// How many of these go out together.
    fn send_group(&mut self, commands: &[(Step, Command)]) -> usize {
        let ahead = self.extensions.has(&Keyword::Pipelining);
        let mut sent = 0;
        for (_, command) in commands {
            if sent > 0 && (!ahead || self.client.output().len() >= GROUP) {
                break;
            }
            self.client.send(command);
            sent += 1;
        }
        sent
    }
}
