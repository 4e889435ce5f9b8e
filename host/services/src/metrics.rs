//! `metrics`: counters and gauges of filters, for the admin port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Refused;

/// Names of one filter, at most.
pub const NAMES: usize = 64;
/// Octets of a name, at most.
pub const NAME: usize = 64;

/// Counters and gauges of all filters. They live as long as the process; cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    filters: Arc<Mutex<BTreeMap<String, Meters>>>,
}

/// What a filter counts or measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// goes up only
    Count(u64),
    /// as last set
    Gauge(f64),
}

/// One figure of one filter, at the moment it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// whose it is
    pub filter: String,
    /// the filter's own word for it
    pub name: String,
    /// how it stands
    pub figure: Figure,
}

impl Registry {
    /// Those of the filter of that name; a new generation of a filter goes on with them.
    pub fn meters(&self, filter: &str) -> Meters {
        let mut filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        filters.entry(filter.to_owned()).or_default().clone()
    }

    /// All figures as they stand, by filter and name.
    pub fn samples(&self) -> Vec<Sample> {
        let filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = |(filter, meters): (&String, &Meters)| {
            let figures = meters
                .figures
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let samples = figures.iter().map(|(name, figure)| Sample {
                filter: filter.clone(),
                name: name.clone(),
                figure: *figure,
            });
            samples.collect::<Vec<_>>()
        };
        filters.iter().flat_map(of_one).collect()
    }
}

/// Counters and gauges of one filter; cheap to clone.
#[derive(Clone, Default)]
pub struct Meters {
    figures: Arc<Mutex<BTreeMap<String, Figure>>>,
}

impl Meters {
    /// Counts up.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for what is no name, and for a name that is a gauge; [`Refused::Limit`] for one more than
    /// [`NAMES`].
    pub fn count(&self, name: &str, by: u32) -> Result<(), Refused> {
        self.change(name, Figure::Count(0), |figure| match figure {
            Figure::Count(count) => {
                *count = count.saturating_add(by.into());
                Ok(())
            }
            Figure::Gauge(_) => Err(Refused::Invalid),
        })
    }

    /// Sets a gauge.
    ///
    /// # Errors
    /// As [`Meters::count`], the other way round; [`Refused::Invalid`] for what is no finite number.
    pub fn gauge(&self, name: &str, value: f64) -> Result<(), Refused> {
        if !value.is_finite() {
            return Err(Refused::Invalid);
        }
        self.change(name, Figure::Gauge(0.0), |figure| match figure {
            Figure::Gauge(gauge) => {
                *gauge = value;
                Ok(())
            }
            Figure::Count(_) => Err(Refused::Invalid),
        })
    }

    fn change(
        &self,
        name: &str,
        first: Figure,
        change: impl FnOnce(&mut Figure) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        if !is_name(name) {
            return Err(Refused::Invalid);
        }
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(figure) = figures.get_mut(name) {
            return change(figure);
        }
        if figures.len() == NAMES {
            return Err(Refused::Limit);
        }
        change(figures.entry(name.to_owned()).or_insert(first))
    }
}

/// What Prometheus takes for a name, without its colons.
fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let number_first = name.starts_with(|c: char| c.is_ascii_digit());
    letters && !number_first && (1..=NAME).contains(&name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_the_name_of_their_filter() {
        let registry = Registry::default();
        let (greylist, rate) = (registry.meters("greylist"), registry.meters("rate"));
        greylist.count("passed", 2).unwrap();
        rate.gauge("buckets", 3.5).unwrap();
        // The next generation of the filter.
        registry.meters("greylist").count("passed", 1).unwrap();
        let told = registry.samples().into_iter().map(|sample| {
            let Sample {
                filter,
                name,
                figure,
            } = sample;
            format!("{filter} {name} {figure:?}")
        });
        let told: Vec<_> = told.collect();
        assert_eq!(
            told,
            ["greylist passed Count(3)", "rate buckets Gauge(3.5)"]
        );
    }

    #[test]
    fn names_are_names_and_64_of_them() {
        let meters = Meters::default();
        let long = "a".repeat(65);
        for name in [
            "",
            "1st",
            "a-b",
            "a.b",
            "a b",
            "ä",
            "a{x=\"1\"}",
            "a\n",
            &long,
        ] {
            assert_eq!(meters.count(name, 1), Err(Refused::Invalid), "{name:?}");
            assert_eq!(meters.gauge(name, 1.0), Err(Refused::Invalid), "{name:?}");
        }
        for n in 0..64 {
            assert_eq!(meters.count(&format!("n{n}"), 1), Ok(()));
        }
        assert_eq!(meters.count("n64", 1), Err(Refused::Limit));
        assert_eq!(meters.count("n63", u32::MAX), Ok(()));
    }

    #[test]
    fn a_counter_is_no_gauge() {
        let meters = Meters::default();
        meters.count("seen", 1).unwrap();
        meters.gauge("size", 1.0).unwrap();
        assert_eq!(meters.gauge("seen", 1.0), Err(Refused::Invalid));
        assert_eq!(meters.count("size", 1), Err(Refused::Invalid));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(meters.gauge("size", value), Err(Refused::Invalid));
        }
    }
}
