//! The code of `translation.translate`: language by language, look for what was paid for, ask for the rest, keep it, and tell all of it.
//!
//! A translation is no effect (docs/effects.md): it costs money, but changes nothing at DeepL, so a request of which nobody knows whether it
//! was answered is simply made again, and there is nothing that a person could look up. What an effect would keep, the ledger's role
//! `Translations` keeps better: text by text, right after each answer and before the next request, for every job of the tenant.
//! So a job that was killed asks for nothing again that was kept. With `cache: false` too: what is kept then is found by this job alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    Glossary, Payload, Report, Texts, Translation, Translations, contract,
    deepl::{Closed, DeepL, Unusable},
    glossary::{self, base, name_of, tsv},
    plan::{self, Asked},
    quota::{self, Parked, Usage},
    read::{Complaint, Glossaries, Listed, Told, Verdict, translations, verdict},
    request,
};
use crate::{
    connection::{Opened, Used, catalog::deepl::NAME},
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    ledger::BATCH_MAX,
    notification::phone::{self, closed, unsent, use_of},
    outbound,
    submit::RESULT_BYTES_MAX,
    translation::{Hash, Kept, TENANT_BYTES_MAX, Translated},
};

/// How long an attempt asks before it gives its slot to others and comes back, uncharged: before the policy's time is over.
pub const SPELL: Duration = Duration::from_secs(600);
/// After how long it comes back.
const REST: Duration = Duration::from_secs(1);
/// How often keeping is tried again while the ledger is away.
const KEEP_AGAIN: Duration = Duration::from_millis(500);
/// The most bytes of all translations of a job: they are in memory until it ends.
const JOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long DeepL has for making a glossary ready.
const READY: Duration = Duration::from_secs(2);
/// The artifact that a large result becomes.
const ARTIFACT: &str = "translations";

/// The handler.
pub struct Translate {
    services: Services,
}

impl Translate {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for Translate {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let opened = match context.connection(&payload.connection, &[NAME]).await {
            Ok(opened) => opened,
            Err(error) => return Ok(closed(&error)),
        };
        let deepl = match DeepL::of(&self.services.outbound, &opened) {
            Ok(deepl) => deepl,
            Err(Closed::NoUrl(error)) => return Ok(unsent(&error)),
            Err(Closed::OtherPlan(message)) => {
                let error = JobError::new("connection_refused", message, true);
                use_of(&context, &opened, Used::Refused(JobError { retryable: false, ..error.clone() })).await;
                return Ok(Outcome::Retry { error, after: None });
            }
        };
        let work = Work {
            services: &self.services,
            context: &context,
            payload: &payload,
            opened: &opened,
            deepl,
            until: Instant::now() + SPELL,
            done: 0,
            total: 0,
            is_let_in: false,
            bytes: 0,
        };
        // Whoever answers may repeat what it was sent: nothing that opens a door is kept of it.
        let hidden = opened.secrets.hidden();
        Ok(match work.run().await {
            Ok(outcome) => outcome,
            Err(Outcome::Retry { error, after }) => Outcome::Retry { error: hidden.error(error), after },
            Err(Outcome::Bury(error)) => Outcome::Bury(hidden.error(error)),
            Err(outcome) => outcome,
        })
    }
}

/// What is translated by text.
type Known<'a> = HashMap<&'a str, Translated>;

struct Work<'a> {
    services: &'a Services,
    context: &'a Context,
    payload: &'a Payload,
    opened: &'a Opened,
    deepl: DeepL<'a>,
    /// When this attempt gives way.
    until: Instant,
    /// Translations that are there.
    done: usize,
    /// Those that there will be.
    total: usize,
    /// Whether the connection is known to be good.
    is_let_in: bool,
    /// How much there is of them, in bytes.
    bytes: usize,
}

/// A glossary, by its content.
struct Content<'a> {
    hash: [u8; 32],
    from: &'a Glossary,
}

impl<'a> Work<'a> {
    async fn run(mut self) -> Result<Outcome, Outcome> {
        self.look_at_quota().await?;
        let mut seen = BTreeSet::new();
        // An empty text has an empty translation; DeepL need not be asked.
        let texts: Vec<&'a str> = self.payload.texts.iter().filter(|text| !text.is_empty() && seen.insert(*text)).collect();
        self.total = texts.len() * self.payload.targets.len();
        let mut known = Vec::new();
        for target in &self.payload.targets {
            known.push(self.all_of(target, &texts).await?);
        }
        self.report(&known).await
    }

    /// Who was parked asks for the account's usage before anything else: no text goes to an account that has no room.
    async fn look_at_quota(&mut self) -> Result<(), Outcome> {
        let parked = self.context.checkpoint.as_deref().and_then(|kept| serde_json::from_str::<Parked>(kept).ok());
        let Some(parked) = parked else { return Ok(()) };
        match self.deepl.usage(self.services.clock.now()).await {
            Ok(usage) if usage.has_room(parked.characters_wanted) => {
                self.context.info("the quota has room again");
                Ok(self.context.checkpoint(&())?)
            }
            Ok(usage) => Err(self.park(parked, Some(&usage))),
            Err(Unusable::Unsent(error)) => Err(unanswered(&error)),
            Err(Unusable::Answered(asked)) => Err(self.refused(&asked, "the usage").await),
        }
    }

    /// Waits for the quota: uncharged, and holding no slot.
    fn park(&self, parked: Parked, usage: Option<&Usage>) -> Outcome {
        let now = self.services.clock.now();
        let wait = quota::wait(usage, now, rand::random());
        let period = match usage.and_then(|usage| usage.ends_at(now)) {
            Some(ends_at) => format!("the billing period ends at {ends_at}"),
            None => "DeepL does not tell when the billing period ends".to_owned(),
        };
        let next = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let message = format!("waiting: DeepL's quota is used up; {period}, and it is looked at again at {next}");
        self.context.warn(&message);
        self.context.progress(parked.percent, message);
        match self.context.checkpoint(&parked) {
            Ok(()) => Outcome::Snooze(wait),
            Err(failure) => failure.into(),
        }
    }

    async fn all_of(&mut self, target: &str, texts: &[&'a str]) -> Result<Known<'a>, Outcome> {
        let options = request::options(self.payload, target);
        let content = self.glossary(target).await?;
        let alone = (!self.payload.cache).then_some(self.context.job);
        let base = self.deepl.base().to_owned();
        let asked = Asked { base: &base, options: &options, glossary: content.as_ref().map(|content| content.hash), alone };
        let hashes: Vec<Hash> = texts.iter().map(|text| asked.hash(text)).collect();
        let mut known = self.look(texts, &hashes).await?;
        self.done += known.len();
        self.bytes = with_room(self.bytes, known.values())?;
        let missing: Vec<(&str, Hash)> = texts.iter().copied().zip(hashes).filter(|(text, _)| !known.contains_key(text)).collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let glossary_id = match content {
            Some(content) => Some(self.glossary_id(content.from, target).await?),
            None => None,
        };
        let words: Vec<&str> = missing.iter().map(|(text, _)| *text).collect();
        let cuts = plan::cut(&options, glossary_id.as_deref(), &words);
        let too_large =
            |index: usize| Outcome::bury("text_too_large", format!("a text of {} bytes goes into no request", words[index].len()));
        for range in cuts.map_err(too_large)? {
            let body = request::body(&options, glossary_id.as_deref(), &words[range.clone()]);
            let told = self.translated(body, &words[range.clone()], target, glossary_id.is_some()).await?;
            let kept = self.keep(&missing[range.clone()], told).await?;
            self.done += range.len();
            self.bytes = with_room(self.bytes, &kept)?;
            known.extend(words[range].iter().copied().zip(kept));
            self.context.progress(self.percent(), format!("{} of {} translations are there", self.done, self.total));
        }
        Ok(known)
    }

    /// What was paid for before.
    async fn look(&self, texts: &[&'a str], hashes: &[Hash]) -> Result<Known<'a>, Outcome> {
        let mut found = HashMap::new();
        for hashes in hashes.chunks(BATCH_MAX) {
            let kept = self.context.ledger.translations(&self.context.tenant, hashes).await;
            let kept = kept.map_err(|error| Outcome::retry("ledger_unavailable", format!("looking for translations: {error}")))?;
            found.extend(kept.into_iter().map(|kept| (kept.hash, kept.translated)));
        }
        Ok(texts.iter().zip(hashes).filter_map(|(text, hash)| Some((*text, found.remove(hash)?))).collect())
    }

    /// Asks for translations of these texts, one for each.
    async fn translated(&mut self, body: Vec<u8>, texts: &[&str], target: &str, has_glossary: bool) -> Result<Vec<Told>, Outcome> {
        self.context.turn(self.opened).await?;
        self.may_go_on()?;
        let asked = tokio::select! {
            asked = self.deepl.translate(body, self.services.clock.now()) => asked.map_err(|error| unanswered(&error))?,
            () = self.context.cancel.cancelled() => return Err(Outcome::Cancel),
        };
        match asked.status {
            200 => {
                let told = translations(asked.body(), texts).map_err(|message| Outcome::retry("provider_failed", message))?;
                if !std::mem::replace(&mut self.is_let_in, true) {
                    use_of(self.context, self.opened, Used::Well).await;
                }
                Ok(told)
            }
            456 => {
                let usage = self.deepl.usage(self.services.clock.now()).await.ok();
                let characters_wanted = texts.iter().map(|text| text.chars().count() as u64).sum();
                Err(self.park(Parked { characters_wanted, percent: self.percent() }, usage.as_ref()))
            }
            404 if has_glossary => Err(Outcome::bury("glossary_unknown", self.said(&asked, &format!("texts into {target}")))),
            _ => Err(self.refused(&asked, &format!("texts into {target}")).await),
        }
    }

    /// Keeps what was paid for, as long as the ledger and the lease allow.
    async fn keep(&self, asked: &[(&str, Hash)], told: Vec<Told>) -> Result<Vec<Translated>, Outcome> {
        let hidden = self.opened.secrets.hidden();
        let job = self.context.job.to_string();
        let kept: Vec<Kept> = asked
            .iter()
            .zip(told)
            .map(|((_, hash), told)| Kept {
                hash: *hash,
                translated: Translated {
                    text: hidden.text(&told.text),
                    source: told.detected_source_language.map(|source| hidden.text(&source)),
                    model: told.model_type_used.map(|model| hidden.text(&model)),
                    billed: told.billed_characters,
                    job: job.clone(),
                },
            })
            .collect();
        while let Err(error) = self.context.ledger.keep_translations(&self.context.tenant, &kept, TENANT_BYTES_MAX).await {
            if !self.context.lease.valid() || self.context.cancel.is_cancelled() {
                return Err(Outcome::retry("translations_not_kept", format!("keeping translations: {error}")));
            }
            tokio::time::sleep(KEEP_AGAIN).await;
        }
        Ok(kept.into_iter().map(|kept| kept.translated).collect())
    }

    /// Asked before anything is paid for.
    fn may_go_on(&self) -> Result<(), Outcome> {
        if self.context.cancel.is_cancelled() {
            return Err(Outcome::Cancel);
        }
        if !self.context.lease.valid() {
            return Err(Outcome::retry("lease_lost", "the attempt is not sure to be the only one any more"));
        }
        if Instant::now() > self.until {
            self.context.checkpoint(&()).map_err(Outcome::from)?;
            return Err(Outcome::Snooze(REST));
        }
        Ok(())
    }

    /// The glossary for a target, with its content: for one that DeepL has it is asked for, as it may have been changed.
    async fn glossary(&self, target: &str) -> Result<Option<Content<'a>>, Outcome> {
        let Some((_, from)) = glossary::of(self.payload, target) else { return Ok(None) };
        let bytes = match from {
            Glossary::Terms(terms) => tsv(terms).into_bytes(),
            Glossary::Id(id) => {
                let (source, target) = self.pair(target);
                let now = self.services.clock.now();
                let mut asked = self.deepl.entries(id, &source, &target, now).await.map_err(|error| unanswered(&error))?;
                if asked.status == 404 {
                    asked = self.deepl.entries_of_one(id, now).await.map_err(|error| unanswered(&error))?;
                }
                match asked.status {
                    200 => asked.body().to_vec(),
                    404 => return Err(Outcome::bury("glossary_unknown", self.said(&asked, &format!("the glossary {id}")))),
                    _ => return Err(self.refused(&asked, &format!("the glossary {id}")).await),
                }
            }
        };
        Ok(Some(Content { hash: Sha256::digest(bytes).into(), from }))
    }

    /// The id of a glossary: terms are looked for by their name, and given to DeepL where it does not have them.
    async fn glossary_id(&self, from: &Glossary, target: &str) -> Result<String, Outcome> {
        let terms = match from {
            Glossary::Id(id) => return Ok(id.clone()),
            Glossary::Terms(terms) => terms,
        };
        let (source, target) = self.pair(target);
        let (entries, now) = (tsv(terms), self.services.clock.now());
        let name = name_of(&source, &target, &entries);
        let asked = self.deepl.glossaries(now).await.map_err(|error| unanswered(&error))?;
        let Some(known) = asked.json::<Glossaries>().filter(|_| asked.status == 200) else {
            return Err(self.refused(&asked, "the glossaries").await);
        };
        let fits = |one: &Listed| one.name == name && one.is_sound() && one.entry_count.is_none_or(|count| count == terms.len() as u64);
        if let Some(one) = known.glossaries.into_iter().find(fits) {
            return ready(one);
        }
        let body = json!({ "name": name, "source_lang": source, "target_lang": target, "entries_format": "tsv", "entries": entries });
        let asked = self.deepl.make_glossary(body.to_string().into_bytes(), now).await.map_err(|error| unanswered(&error))?;
        match (asked.status, asked.json::<Listed>()) {
            (200 | 201, Some(made)) if made.is_sound() => {
                self.context.info(format!("the glossary {name} is at DeepL"));
                ready(made)
            }
            (400 | 413 | 456, _) => Err(Outcome::bury("glossary_refused", self.said(&asked, "a glossary"))),
            _ => Err(self.refused(&asked, "a glossary").await),
        }
    }

    /// The languages of a glossary, as DeepL's openapi.yaml writes them.
    fn pair(&self, target: &str) -> (String, String) {
        let source = self.payload.source.as_deref().unwrap_or_default();
        (base(source).to_lowercase(), base(target).to_lowercase())
    }

    /// How the attempt ends whose question got such an answer.
    async fn refused(&self, asked: &phone::Asked, what: &str) -> Outcome {
        let said = self.said(asked, what);
        let again = |code| Outcome::Retry { error: JobError::new(code, &said, true), after: asked.after };
        match verdict(asked.status) {
            Verdict::Refused => {
                use_of(self.context, self.opened, Used::Refused(JobError::new("connection_refused", &said, false))).await;
                // The connection waits to be mended, and the job with it as long as it has attempts.
                again("connection_refused")
            }
            Verdict::NotNow | Verdict::Quota => again("provider_busy"),
            Verdict::Failed => again("provider_failed"),
            Verdict::Unknown | Verdict::Never => Outcome::bury("translation_refused", said),
        }
    }

    fn said(&self, asked: &phone::Asked, what: &str) -> String {
        let hidden = self.opened.secrets.hidden();
        let said = asked.json::<Complaint>().and_then(Complaint::said);
        let said = said.map_or_else(|| asked.excerpt(&hidden), |said| phone::word(&hidden, &said));
        format!("DeepL answered {} to a question for {what}: {said}", asked.status)
    }

    fn percent(&self) -> u8 {
        u8::try_from(self.done * 100 / self.total.max(1)).unwrap_or(100)
    }

    async fn report(&self, known: &[Known<'a>]) -> Result<Outcome, Outcome> {
        let ours = self.context.job.to_string();
        let (paid, found): (Vec<&Translated>, Vec<_>) = known.iter().flat_map(HashMap::values).partition(|one| one.job == ours);
        let by_target = self.payload.targets.iter().zip(known);
        let translations: BTreeMap<String, Translations> =
            by_target.map(|(target, known)| (target.clone(), in_form(&self.payload.texts, known))).collect();
        let report = Report {
            translations: Some(translations),
            artifact: None,
            translated: paid.len() as u64,
            from_cache: found.len() as u64,
            billed_characters: paid.iter().filter_map(|one| one.billed).sum(),
        };
        let content = serde_json::to_vec(&report.translations).map_err(|error| Outcome::bury("result_invalid", error.to_string()))?;
        if content.len() <= RESULT_BYTES_MAX {
            let outcome = Outcome::done(&report);
            match &outcome {
                Outcome::Done(result) if result.len() > RESULT_BYTES_MAX => {}
                _ => return Ok(outcome),
            }
        }
        let kept = self.context.artifact(ARTIFACT, "application/json", content).await;
        let artifact = kept.map_err(|error| Outcome::retry("translations_not_kept", format!("keeping the translations: {error}")))?;
        Ok(Outcome::done(&Report { translations: None, artifact: Some(artifact.name), ..report }))
    }
}

/// So many bytes, with those of these; no job has more than it may.
fn with_room<'t>(bytes: usize, more: impl IntoIterator<Item = &'t Translated>) -> Result<usize, Outcome> {
    let bytes = bytes + more.into_iter().map(|one| one.text.len()).sum::<usize>();
    if bytes > JOB_BYTES_MAX {
        return Err(Outcome::bury(
            "result_too_large",
            format!("the translations have more than {JOB_BYTES_MAX} bytes: have fewer texts in a job"),
        ));
    }
    Ok(bytes)
}

fn ready(one: Listed) -> Result<String, Outcome> {
    if one.ready == Some(false) {
        let error = JobError::new("glossary_not_ready", format!("DeepL has not made the glossary {} ready yet", one.name), true);
        return Err(Outcome::Retry { error, after: Some(READY) });
    }
    Ok(one.glossary_id)
}

/// The translations in the form of the texts.
fn in_form(texts: &Texts, known: &Known<'_>) -> Translations {
    let one = |text: &str| match known.get(text) {
        Some(known) => Translation { text: known.text.clone(), source: known.source.clone(), model: known.model.clone() },
        None => Translation { text: String::new(), source: None, model: None },
    };
    match texts {
        Texts::Listed(texts) => Translations::Listed(texts.iter().map(|text| one(text)).collect()),
        Texts::Named(texts) => Translations::Named(texts.iter().map(|(name, text)| (name.clone(), one(text))).collect()),
    }
}

/// A question without an answer that could be read: it may be asked again, unless it never went out and never will.
fn unanswered(error: &outbound::Error) -> Outcome {
    if error.is_unsent() { unsent(error) } else { Outcome::retry(error.code(), error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_room_for_so_much() {
        let of = |bytes: usize| Translated { text: "t".repeat(bytes), source: None, model: None, billed: None, job: String::new() };
        let bytes = with_room(0, &[of(1_000), of(24)]).expect("there is room");
        assert_eq!(bytes, 1_024);
        assert_eq!(with_room(JOB_BYTES_MAX - bytes, &[of(bytes)]).expect("to the last byte"), JOB_BYTES_MAX);
        let refused = with_room(JOB_BYTES_MAX - bytes, &[of(bytes), of(1)]).expect_err("no room");
        assert!(matches!(refused, Outcome::Bury(error) if error.code == "result_too_large"));
    }
}
