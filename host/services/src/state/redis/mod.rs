//! State in a Redis or Valkey server, which several proxies may share.
//!
//! A space is three keys: a hash of its entries, a sorted set of when they end, and the sum of their octets. One script
//! carries out every order, by the server's clock, so that an order is one step and one round trip for all who share it.

mod address;
mod link;
mod metered;
mod script;

use redis::{ServerErrorKind, Value};

use super::{Carrying, Done, Keeper, Order, Step};
use crate::{Fault, Refused, Trust};
use address::Address;
use link::Link;

pub struct Redis {
    link: Link,
}

/// Is that an address?
pub fn can_be(url: &str) -> Result<(), Fault> {
    Address::parse(url).map(drop)
}

impl Redis {
    /// Begins to connect.
    pub fn open(url: &str, trust: Trust) -> Result<Self, Fault> {
        let address = Address::parse(url)?;
        Ok(Self {
            link: Link::to(address, trust),
        })
    }

    async fn ask(&self, order: &Order) -> Result<Done, Refused> {
        let answer = self.link.ask(&script::by_hash(order)).await?;
        let answer = match answer {
            // A server that was restarted has forgotten the script.
            Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript) => {
                self.link.ask(&script::in_full(order)).await?
            }
            answer => answer,
        };
        match answer {
            Value::ServerError(error) => {
                self.link.complain(&error);
                Err(Refused::Unavailable)
            }
            answer => match done(&order.step, answer) {
                Ok(done) => {
                    if is_written(&done) {
                        self.link.is_served();
                    }
                    done
                }
                Err(nonsense) => {
                    self.link.distrust(nonsense);
                    Err(Refused::Unavailable)
                }
            },
        }
    }
}

impl Keeper for Redis {
    fn carry_out(&self, order: Order) -> Carrying<'_> {
        Box::pin(async move { self.ask(&order).await })
    }

    fn trouble(&self) -> Option<String> {
        self.link.trouble()
    }
}

/// Was something written? To read is allowed by many who take nothing more.
fn is_written(done: &Result<Done, Refused>) -> bool {
    matches!(done, Ok(Done::Written | Done::Sum(_) | Done::Truth(true)))
}

/// The outer error: no answer of our script.
fn done(step: &Step, answer: Value) -> Result<Result<Done, Refused>, &'static str> {
    match (step, answer) {
        (_, Value::SimpleString(word)) if word == "LIMIT" => Ok(Err(Refused::Limit)),
        (_, Value::SimpleString(word)) if word == "INVALID" => Ok(Err(Refused::Invalid)),
        (Step::Read, Value::Nil) => Ok(Ok(Done::Value(None))),
        (Step::Read, Value::BulkString(octets)) if octets.len() <= super::VALUE => {
            Ok(Ok(Done::Value(Some(octets))))
        }
        (Step::Set { .. }, Value::Okay) => Ok(Ok(Done::Written)),
        (Step::Remove | Step::Swap { .. }, Value::Int(truth @ 0..=1)) => {
            Ok(Ok(Done::Truth(truth == 1)))
        }
        (Step::Increment { .. }, Value::Int(sum)) => match i32::try_from(sum) {
            Ok(sum) => Ok(Ok(Done::Sum(sum))),
            Err(_) => Err("a sum out of bounds"),
        },
        _ => Err("an answer of the wrong type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_type_is_nonsense() {
        let swap = Step::Swap {
            expected: None,
            value: None,
            seconds: 1,
        };
        let add = Step::Increment { by: 1, seconds: 1 };
        for (step, answer) in [
            (&Step::Read, Value::Int(7)),
            (&Step::Read, Value::Okay),
            (
                &Step::Read,
                Value::BulkString(vec![0; crate::state::VALUE + 1]),
            ),
            (&Step::Read, Value::Array(vec![Value::Nil])),
            (&Step::Remove, Value::Int(2)),
            (&Step::Remove, Value::Nil),
            (&swap, Value::BulkString(b"1".to_vec())),
            (&add, Value::Int(i64::from(i32::MAX) + 1)),
            (&add, Value::Double(1.0)),
        ] {
            assert!(done(step, answer.clone()).is_err(), "{step:?} {answer:?}");
        }
    }
}
