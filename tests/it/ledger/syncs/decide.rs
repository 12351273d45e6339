//! What `sync/decide.rs` promises of every record, whatever both sides did: random stories of one key, played with the decision alone.
//! `WINDROW_HISTORY_SEED=17` plays just that one.

use std::env;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use windrow_jobs::{
    clock::Timestamp,
    sync::{
        decide::{self, Elsewhere, Fate, NEVER},
        definition::{Conflict, Delete},
        state::{Incoming, Intent, Item, Policy, Standing},
    },
};

/// Milliseconds each.
const STORIES: u64 = 20_000;
const STEPS: usize = 12;
const CONFLICTS: [Conflict; 4] = [Conflict::Source, Conflict::Destination, Conflict::Newest, Conflict::Manual];

/// One key at both sides, and what the sync remembers.
#[derive(Debug, Clone, Default)]
struct Story {
    item: Option<Item>,
    standing: Option<Standing>,
    versions: i64,
    now: i64,
}

impl Story {
    fn write(&mut self, hash: [u8; 32], is_deleted: bool) {
        self.versions += 1;
        let updated_at = Timestamp::from_ms(self.now);
        self.standing = Some(Standing { version: self.versions, hash, updated_at, is_deleted });
    }

    /// Writes what was decided, in the plainest way.
    fn apply(&mut self, fate: Fate, incoming: Option<&Incoming>) {
        let hash = incoming.filter(|incoming| !incoming.is_deleted).map(|incoming| incoming.hash);
        let before = self.item.clone();
        let kept = before.as_ref().map(|item| item.hash);
        let item = |version: Option<i64>, is_deleted: bool| {
            let hash = hash.or(kept).unwrap_or(NEVER);
            Some(Item { key: "k".into(), hash, seen: 1, version, is_deleted, pending: None, remote_id: None })
        };
        match fate {
            Fate::Create | Fate::Update => {
                self.write(hash.expect("what is written was said"), false);
                self.item = item(Some(self.versions), false);
            }
            Fate::Adopt => {
                let standing = self.standing.expect("it stands");
                self.item = item(Some(standing.version), standing.is_deleted);
            }
            Fate::Keep => self.item = item(before.and_then(|item| item.version), false),
            Fate::Conflict if before.is_none() => self.item = Some(Item { hash: NEVER, ..item(None, false).expect("an item") }),
            Fate::MarkDeleted => {
                let standing = self.standing.expect("it stands");
                self.write(standing.hash, true);
                self.item = item(Some(self.versions), true);
            }
            Fate::Remove => (self.standing, self.item) = (None, None),
            Fate::Forget => self.item = None,
            Fate::Unchanged | Fate::Miss | Fate::Conflict => {}
        }
    }

    /// What the record says to whoever looks.
    fn says(&self) -> Option<[u8; 32]> {
        self.standing.filter(|standing| !standing.is_deleted).map(|standing| standing.hash)
    }
}

fn incoming(rng: &mut StdRng, now: i64) -> Incoming {
    let hash = [rng.random_range(1..4); 32];
    let updated_at = rng.random_bool(0.7).then(|| Timestamp::from_ms(now + rng.random_range(-3..3)));
    Incoming { key: "k".into(), data: String::new(), hash, updated_at, is_deleted: rng.random_bool(0.15) }
}

#[test]
fn every_story_keeps_what_the_policies_promise() {
    let only: Option<u64> = env::var("WINDROW_HISTORY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in only.map_or(0..STORIES, |seed| seed..seed + 1) {
        let mut rng = StdRng::seed_from_u64(seed);
        let conflict = *CONFLICTS.choose(&mut rng).expect("there are four");
        let delete = *[Delete::Soft, Delete::Hard, Delete::Keep].choose(&mut rng).expect("there are three");
        let policy = Policy { delete, conflict };
        let mut story = Story::default();
        // Whether the record as it stands is one that the tenant wrote or touched last.
        let mut is_own = false;
        for step in 0..STEPS {
            story.now += 1;
            let told = format!("seed {seed}, step {step}, {policy:?}: {story:?}");
            match rng.random_range(0..10) {
                0 | 1 => {
                    story.write([rng.random_range(1..6); 32], false);
                    is_own = true;
                    continue;
                }
                2 if rng.random_bool(0.5) => {
                    story.standing = None;
                    is_own = true;
                    continue;
                }
                _ => {}
            }
            let came = rng.random_bool(0.75).then(|| incoming(&mut rng, story.now));
            let before = story.clone();
            let decide = |story: &Story| match &came {
                Some(came) => decide::incoming(came, story.item.as_ref(), story.standing.as_ref(), policy),
                None => decide::gone(story.item.as_ref(), story.standing.as_ref(), policy),
            };
            let fate = decide(&story);
            story.apply(fate, came.as_ref());
            let told = format!("{told} {came:?} {fate:?}");
            let says_deleted = came.as_ref().is_none_or(|came| came.is_deleted);

            if conflict == Conflict::Source && !says_deleted {
                assert_eq!(story.says(), came.as_ref().map(|came| came.hash), "the source wins: {told}");
            }
            if conflict == Conflict::Destination && is_own && before.standing.is_some() {
                assert_eq!(story.says(), before.says(), "what was changed here stays: {told}");
            }
            if conflict == Conflict::Manual && is_own && before.standing.is_some() {
                assert_eq!(story.says(), before.says(), "nobody decided: {told}");
            }
            if matches!(fate, Fate::Remove | Fate::MarkDeleted) {
                assert!(before.item.is_some_and(|item| item.version.is_some()), "what the sync never wrote is not its to delete: {told}");
                assert!(says_deleted && delete != Delete::Keep, "{told}");
            }
            if fate != Fate::Conflict && fate != Fate::Miss && fate != Fate::Keep {
                let again = decide(&story);
                let still = [Fate::Unchanged, Fate::Adopt];
                assert!(still.contains(&again), "the same once more changes nothing, not {again:?}: {told}");
                if again == Fate::Adopt {
                    assert_eq!(story.standing, before.standing, "{told}");
                }
            }
            if matches!(fate, Fate::Create | Fate::Update | Fate::Adopt | Fate::MarkDeleted | Fate::Remove) {
                is_own = false;
            }
        }
    }
}

#[test]
fn what_is_elsewhere_is_made_once_and_deleted_only_if_it_was_made() {
    let came = |hash: u8, is_deleted| Incoming { key: "k".into(), data: String::new(), hash: [hash; 32], updated_at: None, is_deleted };
    let item = |hash: [u8; 32], pending: Option<[u8; 32]>, is_deleted| {
        let pending = pending.map(|hash| Intent { hash, at: windrow_tests::ledgers::START });
        Item { key: "k".into(), hash, seen: 1, version: None, is_deleted, pending, remote_id: None }
    };
    let cases = [
        (came(1, false), None, Elsewhere::Create),
        (came(1, false), Some(item([1; 32], None, false)), Elsewhere::Nothing),
        (came(2, false), Some(item([1; 32], None, false)), Elsewhere::Update),
        (came(1, false), Some(item([1; 32], None, true)), Elsewhere::Create),
        (came(1, false), Some(item(NEVER, Some([1; 32]), false)), Elsewhere::Create),
        (came(1, false), Some(item([1; 32], Some([2; 32]), false)), Elsewhere::Update),
        (came(1, false), Some(item([1; 32], Some(NEVER), false)), Elsewhere::Create),
        (came(1, true), None, Elsewhere::Nothing),
        (came(1, true), Some(item([1; 32], None, true)), Elsewhere::Nothing),
        (came(1, true), Some(item([1; 32], None, false)), Elsewhere::Delete),
    ];
    for (came, item, expected) in cases {
        assert_eq!(decide::elsewhere(&came, item.as_ref(), Delete::Hard), expected, "{came:?} {item:?}");
        let kept = decide::elsewhere(&came, item.as_ref(), Delete::Keep);
        assert_eq!(kept, if expected == Elsewhere::Delete { Elsewhere::Nothing } else { expected }, "{came:?} {item:?}");
    }
}
