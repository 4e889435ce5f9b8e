//! `dns`: names, for those that were granted.

use lazaret_services::dns as service;

use super::{Ctx, Refusal};
use crate::bindings::dns::{Answer, Host, Kind, Query};

/// Octets that an answer without records costs.
const EACH: usize = 16;

impl Ctx {
    async fn names(
        &mut self,
        call: &'static str,
        queries: Vec<Query>,
    ) -> Result<Vec<Answer>, Refusal> {
        let reach = self.reach()?;
        let queries: Vec<_> = queries.into_iter().map(service::Query::from).collect();
        let asked = reach
            .dns
            .ask(&reach.grants.dns, &mut self.asking.dns, &queries);
        let answers = self.meter.waiting().during(call, asked).await?;
        self.charge_read(answers.iter().map(octets).sum())?;
        Ok(answers.into_iter().map(Answer::from).collect())
    }
}

fn octets(answer: &service::Answer) -> usize {
    EACH + answer.records().iter().map(String::len).sum::<usize>()
}

impl Host for Ctx {
    async fn lookup(&mut self, name: String, kind: Kind) -> Result<Answer, Refusal> {
        let mut answers = self.names("dns.lookup", vec![Query { name, kind }]).await?;
        Ok(answers.pop().expect("one answer to one question"))
    }

    async fn lookup_all(&mut self, queries: Vec<Query>) -> Result<Vec<Answer>, Refusal> {
        self.names("dns.lookup-all", queries).await
    }
}

impl From<Query> for service::Query {
    fn from(query: Query) -> Self {
        Self {
            name: query.name,
            kind: match query.kind {
                Kind::A => service::Kind::A,
                Kind::Aaaa => service::Kind::Aaaa,
                Kind::Mx => service::Kind::Mx,
                Kind::Txt => service::Kind::Txt,
                Kind::Ptr => service::Kind::Ptr,
            },
        }
    }
}

impl From<service::Answer> for Answer {
    fn from(answer: service::Answer) -> Self {
        match answer {
            service::Answer::Records(records) => Answer::Records(records),
            service::Answer::NoName => Answer::NoName,
            service::Answer::NoData => Answer::NoData,
            service::Answer::Failed => Answer::Failed,
            service::Answer::Late => Answer::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::Error;
    use crate::imports::testing::{at, configuring, told};
    use lazaret_mail::Ask;

    fn query(name: &str) -> Query {
        Query {
            name: name.to_owned(),
            kind: Kind::A,
        }
    }

    #[tokio::test]
    async fn not_now_in_configure_and_only_for_names_that_were_granted() {
        let configuring = configuring().lookup("a.zen.example".into(), Kind::A).await;
        assert_eq!(told(configuring), Error::NotNow);
        let mut ctx = at(Ask::Connect);
        let other = ctx.lookup("a.example".into(), Kind::A).await;
        assert_eq!(told(other), Error::NotGranted);
        let bad = ctx.lookup("a..example".into(), Kind::A).await;
        assert_eq!(told(bad), Error::Invalid);
        let found = ctx.lookup("a.zen.example".into(), Kind::A).await.unwrap();
        assert!(matches!(found, Answer::Records(records) if records == ["127.0.0.2"]));
    }

    #[tokio::test]
    async fn a_call_asks_64_at_once_and_100_in_all() {
        let mut ctx = at(Ask::Connect);
        let many = |count| vec![query("b.zen.example"); count];
        assert_eq!(told(ctx.lookup_all(many(65)).await), Error::Limit);
        let answers = ctx.lookup_all(many(64)).await.unwrap();
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Answer::NoName))
        );
        assert_eq!(answers.len(), 64);
        assert_eq!(told(ctx.lookup_all(many(37)).await), Error::Limit);
        ctx.begin(at(Ask::Connect).question);
        assert_eq!(ctx.lookup_all(many(37)).await.unwrap().len(), 37);
    }
}
