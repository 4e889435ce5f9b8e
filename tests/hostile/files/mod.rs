//! Files that are hostile before a single stage is asked: nothing of them may hurt whoever loads them.

mod bombs;
mod damaged;
mod proposals;
mod smith;
mod strange;

use super::attack::{Attack, Expected};
use super::site;

pub use smith::MADE as RANDOM;

/// A file, as a stranger would put it into the filter directory.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// the octets of the `.wasm`
    pub wasm: Vec<u8>,
    /// the text of the `.toml`
    pub policy: String,
    /// [`Expected::Refused`] or [`Expected::Contained`]
    pub expected: Expected,
    /// how much memory the child has that prepares it
    pub room: Room,
}

/// Memory of the child that prepares a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// as `lazaret run` gives it
    #[default]
    Usual,
    /// [`Room::TIGHT`] octets: what needs more kills it
    Tight,
}

impl Room {
    /// Octets of a tight one: ten times what an ordinary filter needs.
    pub const TIGHT: u64 = 192 << 20;
}

impl Specimen {
    /// With the rights that a filter of the set has.
    fn new(wasm: Vec<u8>, expected: Expected) -> Self {
        Self {
            wasm,
            policy: "time = \"10ms\"\nmemory = \"8 MiB\"\nwall = \"2s\"\n".to_owned(),
            expected,
            room: Room::Usual,
        }
    }

    /// In a child with little memory.
    fn in_little_room(self) -> Self {
        Self {
            room: Room::Tight,
            ..self
        }
    }

    /// The filter of an attack, e.g. of one that happens before the first question.
    pub fn of(attack: &Attack) -> Self {
        let wasm = site::octets(attack);
        Self {
            policy: site::policy(attack, &wasm, "good"),
            wasm,
            expected: attack.expected.clone(),
            room: Room::Usual,
        }
    }
}

/// Files of one kind.
pub struct Family {
    /// e.g. `flipped bits`
    pub kind: String,
    /// `start` or `configure` where it runs before it hurts, else `load`
    pub stage: &'static str,
    /// It takes seconds: once is enough in a long run.
    pub is_slow: bool,
    /// Each number makes another file.
    pub is_endless: bool,
    make: Box<dyn Fn(u64) -> Specimen>,
}

impl Family {
    fn new(kind: impl Into<String>, make: impl Fn(u64) -> Specimen + 'static) -> Self {
        Self {
            kind: kind.into(),
            stage: "load",
            is_slow: false,
            is_endless: true,
            make: Box::new(make),
        }
    }

    /// One file, always the same.
    fn single(kind: impl Into<String>, wasm: Vec<u8>, expected: Expected) -> Self {
        let specimen = Specimen::new(wasm, expected);
        Self {
            is_endless: false,
            ..Self::new(kind, move |_| specimen.clone())
        }
    }

    fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    /// The file of this number; the same number makes the same file.
    pub fn specimen(&self, number: u64) -> Specimen {
        (self.make)(number)
    }
}

/// All families.
pub fn families() -> Vec<Family> {
    let mut all: Vec<Family> = super::set::loading()
        .into_iter()
        .map(before_the_first_question)
        .collect();
    all.extend(strange::families());
    all.extend(proposals::families());
    all.extend(damaged::families());
    all.extend(smith::families());
    all.extend(bombs::families());
    all
}

fn before_the_first_question(attack: Attack) -> Family {
    let stage = attack.point.name();
    // What is stopped by its CPU time uses all of it.
    let slow = matches!(
        attack.expected,
        Expected::Refused("CPU time") | Expected::RefusedOf(_)
    );
    Family {
        stage,
        is_slow: slow,
        is_endless: false,
        ..Family::new(attack.kind, move |_| Specimen::of(&attack))
    }
}

/// A small, fast and well known generator (splitmix64): the same seed, the same numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }
}
