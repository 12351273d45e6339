//! The seed of what a test chooses at random: printed, so that a failure shows it, and played again by `WINDROW_TEST_SEED=17`.

use std::env;

use rand::{SeedableRng, rngs::StdRng};

/// What chooses: of another seed each time, or of the one that the environment says.
pub fn random() -> StdRng {
    let given = env::var("WINDROW_TEST_SEED").ok().map(|text| text.parse().expect("WINDROW_TEST_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("seed {seed} (WINDROW_TEST_SEED={seed} plays it again)");
    StdRng::seed_from_u64(seed)
}
