//! Answers that are kept. Whoever chooses a name chooses what stands there and for how long: so it is octets that are
//! counted, not answers.

use std::time::{Duration, Instant};

use moka::sync::Cache as Kept;

use super::{Answer, DomainName, Kind};

/// Octets of all answers that are kept, their names included.
const ROOM: u64 = 16 << 20;
/// What an answer takes besides its own octets, and each of its records.
const EACH: usize = 200;
/// See [`EACH`]: its place in the list, and the least that is allocated for a text.
const EACH_RECORD: usize = 56;
/// The longest that an answer is believed, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);

type Key = (DomainName, Kind);

/// They go when their time is over, or for others that are asked for more often.
pub struct Cache(Kept<Key, (Answer, Instant)>);

impl Cache {
    pub fn new() -> Self {
        let weight = |(name, _): &Key, (answer, _): &(Answer, Instant)| {
            u32::try_from(name.as_str().len() + weight(answer)).unwrap_or(u32::MAX)
        };
        let kept = Kept::builder().weigher(weight).max_capacity(ROOM);
        Self(kept.time_to_live(LONGEST).build())
    }

    pub fn get(&self, name: &DomainName, kind: Kind) -> Option<Answer> {
        let (answer, until) = self.0.get(&(name.clone(), kind))?;
        (Instant::now() < until).then_some(answer)
    }

    /// Until then, unless its time is over.
    pub fn keep(&self, name: &DomainName, kind: Kind, answer: &Answer, until: Instant) {
        if Instant::now() < until {
            self.0.insert((name.clone(), kind), (answer.clone(), until));
        }
    }
}

fn weight(answer: &Answer) -> usize {
    let records = answer.records().iter();
    EACH + records
        .map(|record| EACH_RECORD + record.len())
        .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Query, TEXT_OCTETS};

    fn name(name: &str) -> DomainName {
        let query = Query {
            name: name.to_owned(),
            kind: Kind::Txt,
        };
        DomainName::of(&query).unwrap()
    }

    fn until(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_kept_for_its_time_and_under_its_kind() {
        let cache = Cache::new();
        let answer = Answer::Records(vec!["a".to_owned()]);
        cache.keep(&name("a.example"), Kind::Txt, &answer, until(60));
        cache.keep(&name("b.example"), Kind::Txt, &answer, Instant::now());
        assert_eq!(cache.get(&name("a.example"), Kind::Txt), Some(answer));
        assert_eq!(cache.get(&name("a.example"), Kind::Mx), None);
        assert_eq!(cache.get(&name("b.example"), Kind::Txt), None);
    }

    /// As many names as a stranger can think of, and at each as much as an answer may hold: one text, thousands of them, or
    /// octets that became three each.
    #[test]
    fn however_much_is_asked_for_it_takes_so_much_room() {
        let many_texts = vec!["x".repeat(10); TEXT_OCTETS / 23];
        for records in [
            vec!["x".repeat(TEXT_OCTETS)],
            many_texts,
            vec!["\u{fffd}".repeat(TEXT_OCTETS)],
        ] {
            let cache = Cache::new();
            let answer = Answer::Records(records);
            let many = 2 * ROOM / weight(&answer) as u64;
            for number in 0..many {
                let name = name(&format!("{number}.example"));
                cache.keep(&name, Kind::Txt, &answer, until(600));
            }
            cache.0.run_pending_tasks();
            let (held, room) = (cache.0.weighted_size(), ROOM);
            assert!((room / 2..=room).contains(&held), "{held} of {room}");
        }
    }
}
