//! `parts`: the MIME tree, parsed by the host, from the stage message on.

use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::message::{ParseRoom, PartError};
use lazaret_mail::{Message, PartInfo, Parts, PartsFault};

use super::{Ctx, READ_AT_ONCE, Refusal};
use crate::bindings::parts::{Host, Part};
use crate::bindings::types::Error;

/// Messages up to this size are parsed on the spot, and texts decoded; larger ones where blocking is allowed.
const PARSED_ON_THE_SPOT: u64 = 64 << 10;

/// How long a message waits for memory to be parsed in.
const PATIENCE: Duration = Duration::from_secs(2);

/// Octets that a part's description costs.
const EACH: usize = 256;

impl Ctx {
    /// The tree. It is made once for all filters, so its making is not charged to the one that asks first.
    async fn parts(&mut self, call: &'static str) -> Result<Arc<Parts>, Refusal> {
        self.charge()?;
        let message = self.whole_message()?;
        let parsed = if message.size() <= PARSED_ON_THE_SPOT {
            message.parts()
        } else {
            let parsed = parse_aside(message);
            self.meter.waiting().during(call, parsed).await?
        };
        Ok(parsed.map_err(|fault| match fault {
            PartsFault::Spool(_) => Error::Unavailable,
            _ => Error::Limit,
        })?)
    }
}

/// Of all large messages only so many are parsed at once that memory holds them; who waits too long is told
/// `unavailable`: another time it can be judged, so it is no reason to refuse it for good.
async fn parse_aside(message: Arc<Message>) -> Result<Result<Arc<Parts>, PartsFault>, Error> {
    if !message.make_room(ParseRoom::shared(), PATIENCE).await {
        tracing::warn!(
            octets = message.size(),
            "`parse-memory` is taken: filters are told that the parts of a message are not available"
        );
        return Err(Error::Unavailable);
    }
    let parsed = tokio::task::spawn_blocking(move || message.parts()).await;
    parsed.map_err(|_| Error::Unavailable)
}

impl Host for Ctx {
    async fn all(&mut self) -> Result<Vec<Part>, Refusal> {
        let parts = self.parts("parts.all").await?;
        self.charge_work(parts.all().len() * EACH);
        self.charge_read(parts.all().len() * EACH)?;
        Ok(parts.all().map(Part::from).collect())
    }

    async fn read(&mut self, part: u32, offset: u32, length: u32) -> Result<Vec<u8>, Refusal> {
        let parts = self.parts("parts.read").await?;
        let length = length.min(READ_AT_ONCE) as usize;
        let octets = parts
            .read(part, u64::from(offset), length)
            .ok_or(Error::Invalid)?;
        self.charge_read(octets.len())?;
        Ok(octets.to_vec())
    }

    async fn text(&mut self, part: u32) -> Result<String, Refusal> {
        let parts = self.parts("parts.text").await?;
        let info = parts.all().nth(part as usize).ok_or(Error::Invalid)?;
        if info.size as usize > self.limits.part_text {
            return Err(Error::Limit.into());
        }
        let decoded = match u64::from(info.size) <= PARSED_ON_THE_SPOT {
            true => {
                self.charge_work(info.size as usize);
                parts.text(part)
            }
            false => {
                let parts = Arc::clone(&parts);
                let decoded = self.meter.aside(move || parts.text(part));
                let decoded = self.meter.waiting().during("parts.text", decoded).await;
                decoded.map_err(|_| Error::Unavailable)?
            }
        };
        let text = decoded.map_err(|fault| match fault {
            PartError::Unknown | PartError::NotText => Error::Invalid,
        })?;
        self.charge_read(text.len())?;
        Ok(text)
    }
}

impl From<&PartInfo> for Part {
    fn from(part: &PartInfo) -> Self {
        Self {
            index: part.index,
            parent: part.parent,
            content_type: part.content_type.clone(),
            name: part.name.clone(),
            attachment: part.attachment,
            size: part.size,
            sha256: part.sha256.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Host};
    use crate::imports::testing::{at_with_limits, told, with_message};
    use crate::settings::CallLimits;
    use lazaret_mail::Ask;

    const MAIL: &str = "Content-Type: text/plain\r\n\r\nhello\r\n";

    #[tokio::test]
    async fn not_now_before_the_stage_message() {
        let mut ctx = with_message(Ask::Headers, MAIL);
        assert_eq!(told(ctx.all().await), Error::NotNow);
        assert_eq!(told(ctx.read(0, 0, 10).await), Error::NotNow);
        assert_eq!(told(ctx.text(0).await), Error::NotNow);
    }

    #[tokio::test]
    async fn a_part_that_is_not_there_is_invalid() {
        let mut ctx = with_message(Ask::Message, MAIL);
        assert_eq!(told(ctx.read(7, 0, 10).await), Error::Invalid);
        assert_eq!(told(ctx.text(u32::MAX).await), Error::Invalid);
    }

    #[tokio::test]
    async fn a_plain_message_is_one_part() {
        let mut ctx = with_message(Ask::Message, MAIL);
        let parts = ctx.all().await.unwrap();
        assert_eq!((parts.len(), &*parts[0].content_type), (1, "text/plain"));
        assert_eq!(ctx.text(0).await.unwrap(), "hello\r\n");
        assert_eq!(ctx.read(0, 3, 100).await.unwrap(), b"lo\r\n");
    }

    #[tokio::test]
    async fn a_large_message_is_parsed_aside() {
        let mail = format!(
            "Content-Type: text/plain\r\n\r\n{}\r\n",
            "x".repeat(100_000)
        );
        let mut ctx = with_message(Ask::Message, &mail);
        assert_eq!(ctx.all().await.unwrap()[0].size, 100_002);
    }

    #[tokio::test]
    async fn a_text_over_the_cap_is_refused() {
        let limits = CallLimits {
            part_text: 4,
            ..CallLimits::default()
        };
        let mut ctx = at_with_limits(Ask::Message, MAIL, limits);
        assert_eq!(told(ctx.text(0).await), Error::Limit);
    }
}
