//! `edit-headers`: changes of the header section, at the stages headers and message.

use lazaret_mail::{EditError, HeaderEditor, Stage};

use super::{Ctx, Refusal};
use crate::bindings::edit_headers::Host;
use crate::bindings::types::Error;

impl Ctx {
    fn editor(&mut self) -> Result<&mut HeaderEditor, Refusal> {
        self.charge()?;
        let message = match self.stage_now()? {
            Stage::Headers | Stage::Message => self.header_message().ok_or(Error::NotNow)?,
            _ => return Err(Error::NotNow.into()),
        };
        self.charge_work(message.section_size());
        let edits = &self.rights.edits;
        Ok(self
            .editor
            .get_or_insert_with(|| HeaderEditor::new(&message, edits)))
    }
}

impl Host for Ctx {
    fn add(&mut self, name: String, value: String) -> Result<(), Refusal> {
        Ok(self.editor()?.add(&name, &value)?)
    }

    fn replace(&mut self, name: String, nth: u32, value: String) -> Result<(), Refusal> {
        Ok(self.editor()?.replace(&name, nth, &value)?)
    }

    fn remove(&mut self, name: String, nth: Option<u32>) -> Result<u32, Refusal> {
        Ok(self.editor()?.remove(&name, nth)?)
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        Refusal::Told(match error {
            EditError::NotGranted => Error::NotGranted,
            EditError::Invalid => Error::Invalid,
            EditError::Limit => Error::Limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Host};
    use crate::imports::testing::{at, told, with_message};
    use lazaret_mail::Ask;

    const MAIL: &str = "Subject: a\r\n\r\nbody\r\n";

    #[test]
    fn not_now_before_the_stage_headers() {
        assert_eq!(
            told(at(Ask::Connect).add("X-Test".into(), "1".into())),
            Error::NotNow
        );
    }

    #[test]
    fn edits_come_back_in_order() {
        let mut ctx = with_message(Ask::Message, MAIL);
        ctx.add("X-Test".into(), "1".into()).unwrap();
        assert_eq!(ctx.remove("X-Test".into(), None).unwrap(), 1);
        assert_eq!(ctx.end().edits.len(), 2);
    }

    #[test]
    fn a_name_outside_the_grant_is_not_granted() {
        let mut ctx = with_message(Ask::Message, MAIL);
        assert_eq!(
            told(ctx.replace("Subject".into(), 0, "b".into())),
            Error::NotGranted
        );
        assert!(ctx.end().edits.is_empty());
    }

    #[test]
    fn a_line_break_in_a_value_is_invalid() {
        let mut ctx = with_message(Ask::Message, MAIL);
        for value in ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\0b"] {
            assert_eq!(
                told(ctx.add("X-Test".into(), value.into())),
                Error::Invalid,
                "{value:?}"
            );
        }
        assert_eq!(told(ctx.add("X-Te st".into(), "1".into())), Error::Invalid);
    }

    #[test]
    fn a_flood_of_edits_has_a_limit() {
        let mut ctx = with_message(Ask::Message, MAIL);
        let refused = (0..10_000).find_map(|_| ctx.add("X-Test".into(), "1".into()).err());
        assert_eq!(told(Err::<(), _>(refused.unwrap())), Error::Limit);
    }
}
