//! Memory and table limits of one sandbox, over all its memories and tables together.

use wasmtime::ResourceLimiter;

/// Most core instances of a component (stock Python filters have 38), tables and memories.
pub const MAX_INSTANCES: usize = 64;
/// See [`MAX_INSTANCES`].
pub const MAX_TABLES: usize = 64;
/// See [`MAX_INSTANCES`].
pub const MAX_MEMORIES: usize = 8;

/// Counts what a sandbox holds and refuses what is over.
#[derive(Debug)]
pub struct Limiter {
    memory: Account,
    tables: Account,
}

/// One resource, in its own unit.
#[derive(Debug)]
struct Account {
    used: usize,
    limit: usize,
    refused: Refusal,
    /// how much more was asked for last
    wanted: usize,
}

/// Why a growth came to nothing in the call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    None,
    /// the limit of the sandbox
    Ours,
    /// the system had no more
    Systems,
}

impl Limiter {
    /// `memory` in octets, `table_elements` in elements.
    pub fn new(memory: usize, table_elements: usize) -> Self {
        Self {
            memory: Account::new(memory),
            tables: Account::new(table_elements),
        }
    }

    /// A new call: refusals of earlier ones, which the guest lived through, are forgotten.
    pub fn begin(&mut self) {
        self.memory.refused = Refusal::None;
        self.tables.refused = Refusal::None;
    }

    /// Lets the memories grow by this many octets over their limit.
    pub fn allow_more(&mut self, octets: usize) {
        self.memory.limit = self.memory.limit.saturating_add(octets);
    }

    /// Octets of linear memory held.
    pub fn memory(&self) -> u64 {
        self.memory.used as u64
    }

    /// The limit of memory in octets, if a growth was refused for it.
    pub fn memory_refused(&self) -> Option<u64> {
        (self.memory.refused == Refusal::Ours).then_some(self.memory.limit as u64)
    }

    /// Was there no memory to be had from the system, within the limit?
    pub fn is_starved(&self) -> bool {
        self.memory.refused == Refusal::Systems
    }

    /// How many octets more it wanted, if a growth of memory came to nothing.
    pub fn memory_wanted(&self) -> Option<usize> {
        (self.memory.refused != Refusal::None).then_some(self.memory.wanted)
    }

    /// The limit of table elements, if a growth was refused.
    pub fn table_refused(&self) -> Option<usize> {
        (self.tables.refused != Refusal::None).then_some(self.tables.limit)
    }
}

impl Account {
    fn new(limit: usize) -> Self {
        Self {
            used: 0,
            limit,
            refused: Refusal::None,
            wanted: 0,
        }
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        self.wanted = desired.saturating_sub(current);
        let used = self.used.saturating_add(self.wanted);
        if used > self.limit {
            self.refused = Refusal::Ours;
            return false;
        }
        // Past its own declared maximum a growth fails anyway: not our refusal, and nothing to count.
        if maximum.is_some_and(|max| desired > max) {
            return false;
        }
        self.used = used;
        true
    }
}

impl Account {
    /// What was allowed last did not come about.
    fn not_grown(&mut self) {
        self.used = self.used.saturating_sub(self.wanted);
        self.refused = Refusal::Systems;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(current, desired, maximum))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.not_grown();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.tables.grow(current, desired, maximum))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.not_grown();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_limit() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert_eq!(limiter.memory_refused(), Some(100));
        assert_eq!(limiter.memory_wanted(), Some(60));
        assert_eq!(limiter.memory(), 60);
    }

    #[test]
    fn what_the_system_has_not_is_not_our_limit() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        let none = wasmtime::Error::msg("Cannot allocate memory");
        limiter.memory_grow_failed(none).unwrap();
        assert!(limiter.is_starved());
        assert_eq!(limiter.memory(), 0, "nothing is held of it");
        assert_eq!(
            (limiter.memory_refused(), limiter.memory_wanted()),
            (None, Some(60))
        );
        limiter.begin();
        assert!(!limiter.is_starved(), "each call starts anew");
    }

    #[test]
    fn a_growth_past_its_own_maximum_is_not_our_refusal() {
        let mut limiter = Limiter::new(100, 10);
        assert!(!limiter.memory_growing(0, 60, Some(50)).unwrap());
        assert_eq!(limiter.memory_refused(), None);
    }

    #[test]
    fn tables_share_one_limit() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.table_growing(0, 8, None).unwrap());
        assert!(!limiter.table_growing(0, 3, None).unwrap());
        assert_eq!(limiter.table_refused(), Some(10));
    }
}
