//! Says how often what is random is repeated, and from which seed: by `TEST_SCALE` and `TEST_SEED`.
//!
//! The library's own tests use this file too.

use proptest::test_runner::{Config, RngSeed};

/// `number`, times the whole number in `TEST_SCALE` where there is one.
pub fn scaled(number: u32) -> u32 {
    let scale = whole_number("TEST_SCALE").map_or(1, |scale| u32::try_from(scale).expect("TEST_SCALE is not so large"));
    number.checked_mul(scale).expect("TEST_SCALE is not so large")
}

/// That of `TEST_SEED`, or a new one; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let new = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    let seed = whole_number("TEST_SEED").unwrap_or_else(new);
    eprintln!("TEST_SEED={seed}");
    seed
}

/// For a property that is tried in so many cases.
#[allow(dead_code, reason = "only the library's own tests try properties")]
pub fn cases(number: u32) -> Config {
    let usual = Config::default();
    Config {
        cases: scaled(number),
        // Values that a property does not speak of may come up as many times as often too.
        max_local_rejects: scaled(usual.max_local_rejects),
        max_global_rejects: scaled(usual.max_global_rejects),
        rng_seed: RngSeed::Fixed(seed()),
        ..usual
    }
}

fn whole_number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, and is {text}")))
}
