//! Bounds how many exports are sent at once, by the server and to one business.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Problem;
use crate::domain::values::sid::BusinessSid;

/// How many exports a server sends at once.
const EXPORTS_MAX: usize = 8;

/// How many of them one business may have, so that it does not keep the others waiting by reading slowly.
const EXPORTS_OF_BUSINESS_MAX: usize = 2;

/// The `Retry-After` where there are too many, in seconds.
const RETRY_AFTER_SECONDS: u16 = 10;

/// The exports under way.
#[derive(Debug, Default)]
pub struct ExportSlots {
    open: Arc<Mutex<HashMap<BusinessSid, usize>>>,
}

/// The slot of one export, released when it is dropped.
#[derive(Debug)]
pub struct ExportSlot {
    open: Arc<Mutex<HashMap<BusinessSid, usize>>>,
    business: BusinessSid,
}

fn lock(open: &Mutex<HashMap<BusinessSid, usize>>) -> MutexGuard<'_, HashMap<BusinessSid, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExportSlots {
    /// Takes a slot.
    ///
    /// # Errors
    /// 503 `busy` where there are too many.
    pub fn admit(&self, business: &BusinessSid) -> Result<ExportSlot, Problem> {
        let mut open = lock(&self.open);
        let of_all: usize = open.values().sum();
        let detail = if of_all >= EXPORTS_MAX {
            "The server sends as many exports as it does at once; ask again in a moment."
        } else if open.get(business).is_some_and(|own| *own >= EXPORTS_OF_BUSINESS_MAX) {
            "Two exports of this business are under way already; ask again when one has ended."
        } else {
            *open.entry(business.clone()).or_default() += 1;
            return Ok(ExportSlot { open: self.open.clone(), business: business.clone() });
        };
        let mut problem = Problem::unavailable("busy", detail, None);
        problem.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
        Err(problem)
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(own) = open.get_mut(&self.business) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.business);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn sid(text: &str) -> BusinessSid {
        text.parse().expect("a SID")
    }

    #[test]
    fn slots_are_few_and_come_back() {
        let exports = ExportSlots::default();
        let mut slots = vec![exports.admit(&sid("a")).expect("a slot"), exports.admit(&sid("a")).expect("a slot")];
        let refused = exports.admit(&sid("a")).expect_err("two are under way");
        assert_eq!((refused.status, refused.retry_after_seconds), (StatusCode::SERVICE_UNAVAILABLE, Some(10)));
        slots.extend((0..6).map(|other| exports.admit(&sid(&format!("b{other}"))).expect("a slot")));
        let refused = exports.admit(&sid("c")).expect_err("eight are under way");
        assert_eq!((refused.status, refused.code), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
        slots.remove(0);
        slots.push(exports.admit(&sid("c")).expect("a slot that came back"));
        slots.clear();
        assert!(lock(&exports.open).is_empty(), "nothing is kept of those that have ended");
    }
}
