//! What one filter said, as it is kept: nearly always that mail goes on and nothing else, in the memory of a few words.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::chain::{Record, Said, Weight};
use lazaret_mail::{Mode, Stage, Verdict};

/// A record.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Brief(Brief),
    Whole(Box<Record>),
}

/// Of a filter that said `continue` and changed nothing.
#[derive(Clone, Debug)]
pub(crate) struct Brief {
    filter: Arc<str>,
    /// octets
    memory: u64,
    /// nanoseconds
    cpu: u64,
    /// nanoseconds
    wall: u64,
    stage: Stage,
    mode: Mode,
    weight: Weight,
}

impl Kept {
    /// As it was.
    pub(crate) fn record(&self) -> Cow<'_, Record> {
        match self {
            Kept::Brief(brief) => Cow::Owned(brief.record()),
            Kept::Whole(record) => Cow::Borrowed(record),
        }
    }
}

impl From<Record> for Kept {
    fn from(record: Record) -> Self {
        match Brief::is_enough(&record) {
            true => Kept::Brief(Brief::of(record)),
            false => Kept::Whole(Box::new(record)),
        }
    }
}

impl Brief {
    /// Is there no more to it?
    fn is_enough(record: &Record) -> bool {
        let Record {
            said: Said::Verdict(Verdict::Continue),
            edits,
            edit_fault: None,
            scores,
            pace: Duration::ZERO,
            dropped: 0,
            replaced: 0,
            ..
        } = record
        else {
            return false;
        };
        edits.is_empty() && scores.is_empty()
    }

    fn of(record: Record) -> Self {
        Self {
            memory: record.memory,
            cpu: nanoseconds(record.cpu),
            wall: nanoseconds(record.wall),
            stage: record.stage,
            mode: record.mode,
            weight: record.weight,
            filter: record.filter,
        }
    }

    fn record(&self) -> Record {
        let said = Said::Verdict(Verdict::Continue);
        Record {
            weight: self.weight,
            cpu: Duration::from_nanos(self.cpu),
            wall: Duration::from_nanos(self.wall),
            memory: self.memory,
            ..Record::of(Arc::clone(&self.filter), self.stage, self.mode, said)
        }
    }
}

/// Five hundred years are enough.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lazaret_mail::message::EditFault;
    use lazaret_mail::{Edit, OnFailure};

    use super::*;

    fn record() -> Record {
        let said = Said::Verdict(Verdict::Continue);
        Record {
            cpu: Duration::from_nanos(1_234_567),
            wall: Duration::from_secs(3),
            memory: 1 << 20,
            ..Record::of("a-filter".into(), Stage::Connect, Mode::Observe, said)
        }
    }

    #[test]
    fn what_is_kept_is_what_was_said() {
        let verdict = |verdict| Said::Verdict(verdict);
        let others = [
            Record {
                said: verdict(Verdict::Accept),
                ..record()
            },
            Record {
                said: Said::FailedEarlier(OnFailure::Defer),
                ..record()
            },
            Record {
                edits: vec![Edit::Remove(0)],
                ..record()
            },
            Record {
                edit_fault: Some(EditFault),
                ..record()
            },
            Record {
                scores: vec![("A".into(), 1.0, "why".into())],
                ..record()
            },
            Record {
                pace: Duration::from_millis(1),
                ..record()
            },
            Record {
                dropped: 1,
                ..record()
            },
            Record {
                replaced: 1,
                ..record()
            },
        ];
        let brief = Kept::from(record());
        assert!(matches!(brief, Kept::Brief(_)));
        assert_eq!(format!("{:?}", brief.record()), format!("{:?}", record()));
        for other in others {
            let told = format!("{other:?}");
            let kept = Kept::from(other);
            assert!(matches!(kept, Kept::Whole(_)), "{told}");
            assert_eq!(format!("{:?}", kept.record()), told);
        }
    }

    #[test]
    fn nothing_to_tell_takes_little_memory() {
        assert!(size_of::<Kept>() <= 48);
    }
}
