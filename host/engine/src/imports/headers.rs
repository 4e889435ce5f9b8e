//! `headers`: the header section, from the stage headers on.

use super::Ctx;
use crate::bindings::headers::{Field, Host};

/// Octets that a field costs besides its own.
const EACH: usize = 32;

impl Host for Ctx {
    fn all(&mut self) -> wasmtime::Result<Vec<Field>> {
        self.charge()?;
        let Some(message) = self.header_message() else {
            return Ok(Vec::new());
        };
        self.charge_work(message.section_size());
        let octets = message
            .fields()
            .iter()
            .map(|field| field.raw().len() + EACH);
        self.charge_read_or_stop(octets.sum())?;
        Ok(message.fields().iter().map(Field::from).collect())
    }

    fn text(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.charge()?;
        let Some(message) = self.header_message() else {
            return Ok(Vec::new());
        };
        self.charge_work(message.section_size());
        let texts = message.text(&name);
        self.charge_read_or_stop(texts.iter().map(|text| text.len() + EACH).sum())?;
        Ok(texts)
    }
}

impl From<&lazaret_mail::Field> for Field {
    fn from(field: &lazaret_mail::Field) -> Self {
        Self {
            name: field.name().to_owned(),
            value: field.value().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Host;
    use crate::imports::testing::{at, at_with_limits, with_message};
    use crate::settings::CallLimits;
    use lazaret_mail::Ask;

    #[test]
    fn before_the_stage_headers_there_are_none() {
        let mut ctx = at(Ask::Connect);
        assert!(ctx.all().unwrap().is_empty());
        assert!(ctx.text("Subject".into()).unwrap().is_empty());
    }

    #[test]
    fn a_value_keeps_its_folding_and_a_text_does_not() {
        let mut ctx = with_message(Ask::Headers, "Subject: a\r\n b\r\n\r\n");
        let field = ctx.all().unwrap().remove(0);
        assert_eq!((&*field.name, &*field.value), ("Subject", &b" a\r\n b"[..]));
        assert_eq!(ctx.text("SUBJECT".into()).unwrap(), ["a b"]);
    }

    #[test]
    fn reading_over_and_over_is_stopped() {
        let limits = CallLimits {
            read: 200,
            ..CallLimits::default()
        };
        let mut ctx = at_with_limits(Ask::Headers, "Subject: a\r\n\r\n", limits);
        let failed = (0..100).find_map(|_| ctx.all().err()).unwrap();
        assert_eq!(failed.to_string(), "more than 200 octets read");
    }
}
