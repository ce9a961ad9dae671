//! Bounds the memory of all bodies that are still arriving, together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::edge::answer::error::Problem;

/// How much of each body may always be held. More than any single message takes; over the most connections there may be
/// it adds up to a quarter of a gigabyte.
pub const ALWAYS_HELD_BYTES: usize = 64 * 1_024;

/// How much all bodies together may hold beyond that, while they arrive.
const BUDGET_BYTES: usize = 64 * 1_024 * 1_024;

/// The memory of large bodies that are still arriving. Without a bound, thousands of clients that each send most of a
/// body and then wait would take gigabytes.
#[derive(Debug, Default)]
pub struct BodyBudget {
    held: AtomicUsize,
}

impl BodyBudget {
    /// The part of a body that begins to arrive.
    pub fn open(&self) -> Held<'_> {
        Held { budget: self, bytes: 0 }
    }
}

/// One body's part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    budget: &'a BodyBudget,
    bytes: usize,
}

impl Held<'_> {
    /// Takes the memory that a body of this length needs.
    ///
    /// # Errors
    /// 503 `busy` where there is no room.
    pub fn grow_to(&mut self, length: usize) -> Result<(), Problem> {
        let more = length.saturating_sub(ALWAYS_HELD_BYTES).saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        self.bytes += more;
        if self.budget.held.fetch_add(more, Ordering::Relaxed) + more <= BUDGET_BYTES {
            return Ok(());
        }
        let detail = "Too many large bodies arrive at once; send it again in a moment, or in smaller parts.";
        Err(Problem::unavailable("busy", detail, None))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_given_back() {
        let budget = BodyBudget::default();
        let large = ALWAYS_HELD_BYTES + BUDGET_BYTES / 2;
        let (mut one, mut two, mut three) = (budget.open(), budget.open(), budget.open());
        assert!(one.grow_to(large).is_ok() && two.grow_to(large - 1).is_ok() && two.grow_to(large).is_ok());
        assert!(three.grow_to(ALWAYS_HELD_BYTES).is_ok(), "a small body always finds room");
        assert_eq!(three.grow_to(ALWAYS_HELD_BYTES + 1).map_err(|problem| problem.code), Err("busy"));
        drop((one, three));
        assert_eq!(budget.held.load(Ordering::Relaxed), BUDGET_BYTES / 2);
        let mut four = budget.open();
        assert!(four.grow_to(large).is_ok());
    }
}
