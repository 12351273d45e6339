//! Two answers to one sample, the tables of differences, and the count at the end.

use super::{
    AGREED_SHARE_MIN, USUAL_SEED,
    clock::{Change, Clock},
    ours,
    samples::Sample,
};

/// The beginning of 2101: our last year is 2100, others go on.
const YEARS_END_S: i64 = 4_133_980_800;

/// How many unlisted differences a failure tells.
const SHOWN_MAX: usize = 40;

/// A difference that is known.
pub struct Difference {
    /// The zone in which it is met, or any.
    pub zone: Option<&'static str>,
    /// Which expressions or starts.
    pub class: &'static str,
    /// What each side does.
    pub expected: &'static str,
    /// Why neither is wrong, or who is.
    pub why: &'static str,
    /// Whether it is what parts these two answers.
    pub explains: fn(&Parting) -> bool,
}

/// Where two answers part: the first fire that is not the same.
pub struct Parting<'a> {
    pub sample: &'a Sample,
    pub clock: &'a Clock,
    /// The fire before, on which both agreed; or the start.
    pub before_s: i64,
    pub ours_s: Option<i64>,
    pub theirs_s: Option<i64>,
    /// Which fire of the sample it is, from 0.
    pub place: usize,
}

/// What came of all samples.
pub struct Tally<'a> {
    table: &'a [Difference],
    excused: Vec<usize>,
    agreed: usize,
    /// How many samples had nothing to compare, since neither side fires.
    silent: usize,
    fires: usize,
    unlisted: Vec<String>,
}

impl<'a> Tally<'a> {
    pub fn new(table: &'a [Difference]) -> Self {
        Self { table, excused: vec![0; table.len()], agreed: 0, silent: 0, fires: 0, unlisted: Vec::new() }
    }

    /// Holds what the other implementation said against ours.
    pub fn compare(&mut self, sample: &Sample, clock: &Clock, theirs: &[i64]) {
        let ours = ours(sample);
        let theirs: Vec<i64> = theirs.iter().copied().filter(|fire_s| *fire_s < YEARS_END_S).collect();
        let same = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
        self.fires += same;
        if same == ours.len() && same == theirs.len() {
            self.agreed += 1;
            self.silent += usize::from(same == 0);
            return;
        }
        let before_s = same.checked_sub(1).map_or(sample.start_s, |last| ours[last]);
        let parting =
            Parting { sample, clock, before_s, ours_s: ours.get(same).copied(), theirs_s: theirs.get(same).copied(), place: same };
        let is_excuse = |known: &Difference| known.zone.is_none_or(|zone| zone == sample.zone.name()) && (known.explains)(&parting);
        match self.table.iter().position(is_excuse) {
            Some(place) => self.excused[place] += 1,
            None => self.unlisted.push(parting.told()),
        }
    }

    /// Tells all, and fails unless every difference is listed, every line of the list was met, and nearly all agreed.
    pub fn conclude(self, other: &str, seed: u64) {
        let excused: usize = self.excused.iter().sum();
        let compared = self.agreed + excused + self.unlisted.len();
        let share = self.agreed as f64 / compared as f64;
        println!(
            "{other}, seed {seed}: {compared} samples, {} fires alike, {} samples ({:.1} %) alike without an excuse, {} of them without any fire",
            self.fires,
            self.agreed,
            share * 100.0,
            self.silent
        );
        for (difference, count) in self.table.iter().zip(&self.excused) {
            let Difference { zone, class, expected, why, .. } = difference;
            println!("  {count:5} × {}: {class}: {expected}; {why}", zone.unwrap_or("any zone"));
        }
        let shown = self.unlisted.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.unlisted.is_empty(), "{other}, seed {seed}: {} differences are not listed, such as\n{shown}", self.unlisted.len());
        let dead: Vec<&str> =
            self.table.iter().zip(&self.excused).filter(|(_, count)| **count == 0).map(|(known, _)| known.class).collect();
        // Other seeds, or fewer samples, may not meet the rare ones.
        assert!(dead.is_empty() || seed != USUAL_SEED, "{other}, seed {seed}: no sample met these differences any more: {dead:?}");
        assert!(share >= AGREED_SHARE_MIN, "{other}, seed {seed}: only {share} of the samples agree without an excuse");
        assert!(self.silent * 10 < compared, "{other}, seed {seed}: {} samples have no fire", self.silent);
    }
}

impl Parting<'_> {
    /// Whether our rule takes the expression for fixed-time.
    pub fn is_fixed_time(&self) -> bool {
        let [_, minute, hour, ..] = &self.sample.expression.fields;
        !minute.starts_with('*') && !hour.starts_with('*')
    }

    /// Whether there is such a change of the clock between the last fire alike, or so long before it, and the later of the two.
    pub fn has_change(&self, back_s: i64, is_such: impl Fn(Change) -> bool) -> bool {
        let until_s = self.ours_s.max(self.theirs_s).unwrap_or(self.before_s);
        let between = self.before_s - back_s..=until_s;
        self.clock.changes().iter().any(|change| between.contains(&change.at_s) && is_such(*change))
    }

    fn told(&self) -> String {
        let told = |at_s: Option<i64>| at_s.map_or_else(|| "none".to_owned(), |at_s| self.clock.told(at_s));
        format!(
            "  {:?} in {} after {} (start {}): ours {}, theirs {}",
            self.sample.expression.text,
            self.sample.zone,
            self.clock.told(self.before_s),
            self.sample.start_s,
            told(self.ours_s),
            told(self.theirs_s),
        )
    }
}
