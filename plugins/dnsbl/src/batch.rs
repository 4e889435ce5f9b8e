//! Many names asked at once, also where one of them cannot be asked about.

use lazaret_filter::Error;
use lazaret_filter::dns::{Answer, Query};

/// Of one batch, in its order.
type Answered = Result<Vec<Answer>, Error>;

/// In their order; an error for what could not be asked. `batch` refuses all for one that is no name or was not granted. Names in
/// letters beyond ASCII are in doubt: the client chose them, so the others are asked first, all at once. Beyond that
/// halves are tried: a refused batch takes no time.
pub fn answers(
    queries: &[Query],
    batch: &mut dyn FnMut(&[Query]) -> Answered,
) -> Vec<Result<Answer, Error>> {
    match batch(queries) {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(Error::Invalid | Error::NotGranted) if queries.len() > 1 => {
            in_two(queries, |part| answers(part, batch))
        }
        Err(error) => vec![Err(error); queries.len()],
    }
}

/// What is not in doubt and the rest, or halves.
fn in_two(
    queries: &[Query],
    mut ask: impl FnMut(&[Query]) -> Vec<Result<Answer, Error>>,
) -> Vec<Result<Answer, Error>> {
    let mut order: Vec<_> = (0..queries.len()).collect();
    order.sort_by_key(|at| !queries[*at].name.is_ascii());
    let sure = queries.iter().filter(|query| query.name.is_ascii()).count();
    let middle = match sure {
        0 => queries.len() / 2,
        all if all == queries.len() => all / 2,
        some => some,
    };
    let mut answers = vec![Err(Error::Invalid); queries.len()];
    let (first, rest) = order.split_at(middle);
    for part in [first, rest] {
        let asked: Vec<_> = part.iter().map(|at| queries[*at].clone()).collect();
        for (at, answer) in part.iter().zip(ask(&asked)) {
            answers[*at] = answer;
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use lazaret_filter::dns::Kind;

    use super::*;

    /// What is asked about these names, batch by batch, by a host that refuses those with `!`; and how many had an answer.
    fn asked(names: &[&str]) -> (Vec<String>, usize) {
        let query = |name: &&str| Query::new(name.to_string(), Kind::A);
        let queries: Vec<_> = names.iter().map(query).collect();
        let mut batches = Vec::new();
        let answered = answers(&queries, &mut |part| {
            if part.iter().any(|query| query.name.contains('!')) {
                return Err(Error::Invalid);
            }
            let names: Vec<_> = part.iter().map(|query| &*query.name).collect();
            batches.push(names.join(" "));
            let echo = |query: &Query| Answer::Records(vec![query.name.clone()]);
            Ok(part.iter().map(echo).collect())
        });
        for (name, answer) in names.iter().zip(&answered) {
            let own = Answer::Records(vec![name.to_string()]);
            assert!(answer.is_err() || *answer == Ok(own), "{answered:?}");
        }
        (batches, answered.iter().flatten().count())
    }

    #[test]
    fn all_are_asked_at_once() {
        assert_eq!(asked(&["a", "b", "ü"]), (vec!["a b ü".to_owned()], 3));
        assert_eq!(asked(&["!"]), (vec![], 0));
    }

    /// The client chose it: it does not make the batch a sequence.
    #[test]
    fn the_others_are_asked_at_once() {
        let names = ["a", "ü!", "b", "c", "d", "e"];
        assert_eq!(asked(&names), (vec!["a b c d e".to_owned()], 5));
        let (batches, answers) = asked(&["a", "ü!", "ö", "b"]);
        assert_eq!((batches, answers), (vec!["a b".into(), "ö".into()], 3));
    }

    /// A list that the operator forgot to grant.
    #[test]
    fn of_many_lists_one_that_was_not_granted_costs_few_batches() {
        let names: Vec<_> = (0..16).map(|n| if n == 5 { "!" } else { "a" }).collect();
        let (batches, answers) = asked(&names);
        assert_eq!((batches.len(), answers), (4, 15), "{batches:?}");
    }
}
