//! Tells the time, and makes ids from it; alone reads the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::{ContextV7, Uuid};

use crate::domain::values::time::Timestamp;

/// Tells the time, and makes ids that rise with it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands still until it is set. Clones share the time.
    pub fn fixed(at: Timestamp) -> Clock {
        Clock(Source::Fixed(Arc::new(AtomicI64::new(at.micros()))))
    }

    /// Sets a fixed clock; the system clock ignores it.
    pub fn set(&self, at: Timestamp) {
        if let Source::Fixed(micros) = &self.0 {
            micros.store(at.micros(), Ordering::Relaxed);
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => chrono::Utc::now().into(),
            Source::Fixed(micros) => Timestamp::from_micros(micros.load(Ordering::Relaxed)),
        }
    }

    /// A UUID version 7 (RFC 9562) of this clock's time: new ids sort after old ones.
    pub fn new_id(&self) -> Uuid {
        static ORDER: std::sync::Mutex<ContextV7> = std::sync::Mutex::new(ContextV7::new());
        let micros = u64::try_from(self.now().micros()).unwrap_or(0);
        let order = ORDER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(&*order, micros / 1_000_000, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_within_one_instant() {
        let clock = Clock::fixed(Timestamp::from_micros(1_700_000_000_000_000));
        let ids: Vec<Uuid> = (0..1_000).map(|_| clock.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_fixed_clock_is_set_for_all_its_clones() {
        let clock = Clock::fixed(Timestamp::from_micros(1));
        let clone = clock.clone();
        clock.set(Timestamp::from_micros(2));
        assert_eq!(clone.now(), Timestamp::from_micros(2));
    }
}
