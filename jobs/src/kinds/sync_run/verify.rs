//! Whether a list was read to its end without passing over a record that stood there all the time, and whether what vanished may be deleted.
//! Pure. Next: `running.rs`.

use super::place::{At, Pass, changed};
use crate::sync::{
    definition::{Delete, Limits, Pagination, Source, Verify},
    state::{Census, Counts},
};

/// So few may always be deleted: a share of little says nothing.
const DELETED_ANYWAY: u64 = 10;

/// What comes after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// All was read.
    Complete,
    /// It is read again, to be compared with what this pass found.
    Again(Pass),
    /// It changes too often.
    Changing,
}

/// What is done against a list of this source that changes while it is read.
pub(super) fn verify_of(source: &Source) -> Verify {
    source.http.as_ref().and_then(|http| http.list.pagination.as_ref()).map_or(Verify::None, Pagination::verify)
}

/// What comes after the pass that ended here. A file (`is_file`) is what its last pass read, all else what all passes did.
pub(super) fn after_pass(at: &At, verify: Verify, is_file: bool, census: Census, counts: &Counts, limits: &Limits) -> After {
    // One page is of one moment. That an overlap did not fit was noticed where it did not.
    if verify != Verify::SecondPass || at.pages <= 1 {
        return After::Complete;
    }
    let pass = Pass { keys: at.keys.clone(), seen: census.live.saturating_sub(census.unseen) };
    let told = at.total.is_none_or(|total| total == pass.seen);
    // That there are as many keys as the source says tells nothing after one pass: one may have left, and another come, before its page was read.
    let is_complete = at.before.as_ref().is_some_and(|before| {
        let nothing_new = before.seen == pass.seen && at.changed_before == changed(counts);
        before.keys == pass.keys || nothing_new && told && !is_file
    });
    match is_complete {
        true => After::Complete,
        false if at.pass >= limits.passes_max => After::Changing,
        false => After::Again(pass),
    }
}

/// Whether so many may be deleted as are gone; else what is wrong with it.
pub(super) fn may_delete(census: Census, counts: &Counts, dry_run: bool, delete: Delete, limits: &Limits) -> Result<(), String> {
    if delete == Delete::Keep || census.unseen <= DELETED_ANYWAY {
        return Ok(());
    }
    // What was there before the run; a dry run makes nothing.
    let made = if dry_run { 0 } else { counts.created };
    let before = census.live.saturating_sub(made).max(census.unseen);
    if census.unseen * 100 <= before * u64::from(limits.deleted_percent_max) {
        return Ok(());
    }
    Err(format!(
        "{} of {before} records are gone at the source, more than the {} % allowed; nothing was deleted",
        census.unseen, limits.deleted_percent_max
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pass: u32, keys: &str, total: Option<u64>, before: Option<(&str, u64)>) -> At {
        let before = before.map(|(keys, seen)| Pass { keys: keys.into(), seen });
        At { pass, pages: 2, keys: keys.into(), total, before, ..At::start(true) }
    }

    fn census(live: u64, unseen: u64) -> Census {
        Census { live, unseen }
    }

    #[test]
    fn a_list_is_read_until_nothing_new_is_found() {
        let again = |keys: &str, seen| After::Again(Pass { keys: keys.into(), seen });
        let limits = Limits { passes_max: 3, ..Limits::default() };
        for (at, seen, changed, expected) in [
            (at(1, "x", None, None), 5, 5, again("x", 5)),
            // As many as it says there are: one may have left, and another come.
            (at(1, "x", Some(5), None), 5, 5, again("x", 5)),
            (at(1, "x", Some(6), None), 5, 5, again("x", 5)),
            // Nothing new.
            (at(2, "y", None, Some(("x", 5))), 5, 0, After::Complete),
            (at(2, "y", None, Some(("x", 4))), 5, 0, again("y", 5)),
            (at(2, "y", None, Some(("x", 5))), 5, 1, again("y", 5)),
            (at(2, "y", Some(6), Some(("x", 5))), 5, 0, again("y", 5)),
            // The same list: what changed did not move, and a total may count what has one key.
            (at(2, "x", Some(6), Some(("x", 5))), 5, 1, After::Complete),
            (at(3, "y", None, Some(("x", 4))), 5, 1, After::Changing),
        ] {
            let counts = Counts { created: changed, ..Counts::default() };
            let after = |at: &At, verify, is_file| after_pass(at, verify, is_file, census(seen + 3, 3), &counts, &limits);
            assert_eq!(after(&at, Verify::SecondPass, false), expected, "{at:?}");
            // A file is what the last pass read, so that has to be the same as before.
            let is_same = at.before.as_ref().is_some_and(|before| before.keys == at.keys);
            assert_eq!(after(&at, Verify::SecondPass, true) == After::Complete, is_same, "{at:?}");
            assert_eq!(after(&at, Verify::Overlap, true), After::Complete);
            assert_eq!(after(&At { pages: 1, ..at.clone() }, Verify::SecondPass, true), After::Complete);
        }
    }

    #[test]
    fn a_source_that_is_suddenly_empty_deletes_nothing() {
        let limits = |percent| Limits { deleted_percent_max: percent, ..Limits::default() };
        for (live, unseen, created, percent, may) in [
            (1_000, 1_000, 0, 50, false),
            (1_000, 501, 0, 50, false),
            (1_000, 500, 0, 50, true),
            (1_000, 1_000, 0, 100, true),
            (1_000, 11, 0, 0, false),
            (1_000, 10, 0, 0, true),
            (10, 10, 0, 0, true),
            // All were exchanged: of what was there all is gone.
            (2_000, 1_000, 1_000, 50, false),
            (0, 0, 0, 0, true),
        ] {
            let counts = Counts { created, ..Counts::default() };
            let allowed = may_delete(census(live, unseen), &counts, false, Delete::Soft, &limits(percent));
            assert_eq!(allowed.is_ok(), may, "{live} {unseen} {created} {percent}");
            assert!(may_delete(census(live, unseen), &counts, false, Delete::Keep, &limits(percent)).is_ok());
            // What a dry run would make is not there.
            let dry = may_delete(census(live - created, unseen), &counts, true, Delete::Soft, &limits(percent));
            assert_eq!(dry.is_ok(), may, "dry: {live} {unseen} {created} {percent}");
        }
    }
}
