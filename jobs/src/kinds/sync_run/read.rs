//! A run's reading: page by page, the next on its way while one is written. Next: `write.rs`, `verify.rs`.

use std::collections::BTreeSet;

use super::{
    batch,
    handler::stopped,
    object,
    place::{At, Cut, Pass, Phase},
    room::PAGES,
    running::{Numbers, Running},
};
use crate::{
    handler::Outcome,
    sync::{
        definition::Incremental,
        mapping::Unmade,
        reader::{Page, Reader, Stopped},
    },
};

/// Where a run's progress is when all is read; sweeping and reporting is the rest.
const READ_PERCENT: u64 = 90;

impl Running<'_> {
    pub(super) async fn read(&mut self) -> Result<(), Outcome> {
        self.look_at_file().await?;
        let since = self.sync.since.clone().filter(|_| !self.at.all);
        let (source, limits) = (self.sync.definition.source.clone(), self.sync.definition.limits.clone());
        let mut reader = Reader::open(self.services, self.context, self.context.ledger.clone(), &source, &limits, since.as_ref()).await?;
        let mut ahead = None;
        while self.at.phase == Phase::Read {
            self.heed()?;
            let (read, mut room) = match ahead.take() {
                Some(read) => read,
                None => {
                    let room = tokio::select! {
                        room = PAGES.take(limits.page_bytes_max) => room,
                        () = self.context.cancel.cancelled() => return Err(stopped()),
                    };
                    (reader.page(self.at.next.as_ref()).await, room)
                }
            };
            let page = match read {
                Ok(page) => page,
                Err(Stopped::Wait { after, why }) => {
                    self.context.progress(self.percent(), why);
                    return Err(Outcome::Snooze(after));
                }
                // What was learned is of no use any more: all is read.
                Err(Stopped::Expired) if !self.at.all => {
                    self.context.info("the source no longer knows since when it was asked for what changed: all is read");
                    self.at = At { step: self.at.step, ..At::start(true) };
                    return self.enter(Phase::Read).await;
                }
                Err(Stopped::Expired) => return Err(Outcome::bury("source_refused", "the source refuses to be read from its beginning")),
                Err(Stopped::Failed(outcome)) => return Err(outcome),
                Err(Stopped::Cancelled) => return Err(stopped()),
            };
            if page.shifted {
                self.again(None).await?;
                continue;
            }
            if page.not_modified {
                self.at.not_modified = true;
                self.at.mark = page.mark;
                self.enter(Phase::Verify).await?;
                continue;
            }
            if !self.at.all && self.has_validators() {
                // It did change, and this is all of it.
                self.at.all = true;
            }
            room.fit(page.bytes);
            let next = page.next.clone();
            match next.zip(PAGES.take_ahead(limits.page_bytes_max)) {
                // The next page is on its way while this one is written.
                Some((next, room)) => {
                    let (written, read) = futures::join!(self.write(page), reader.page(Some(&next)));
                    written?;
                    ahead = Some((read, room));
                }
                None => self.write(page).await?,
            }
        }
        Ok(())
    }

    pub(super) fn has_validators(&self) -> bool {
        let incremental = self.sync.definition.source.http.as_ref().and_then(|http| http.list.incremental.as_ref());
        matches!(incremental, Some(Incremental::Validators {}))
    }

    /// A file that is gone is made anew, though the source may say that nothing changed.
    async fn look_at_file(&mut self) -> Result<(), Outcome> {
        match &self.sync.definition.destination.object {
            Some(object) if !self.at.all && !object::is_there(self.context, &self.fence, object).await? => self.at.all = true,
            _ => {}
        }
        Ok(())
    }

    /// Writes a page, batch by batch; of one that was begun, and says the same, the rest.
    async fn write(&mut self, page: Page) -> Result<(), Outcome> {
        let (number, limits) = (self.at.pages + 1, &self.sync.definition.limits);
        if number > u64::from(limits.pages_max) {
            return Err(Outcome::bury("pages_max", format!("the list has more than the {} pages allowed", limits.pages_max)));
        }
        if self.run.counts.bytes + page.bytes > limits.bytes_max {
            return Err(Outcome::bury("bytes_max", format!("its pages have more than the {} bytes allowed", limits.bytes_max)));
        }
        let records = page.records.len() as u64;
        if self.at.read + records > limits.records_max {
            return Err(Outcome::bury("records_max", format!("the list has more than the {} records allowed", limits.records_max)));
        }
        let mut mapped = self.mapping.map(&self.services.renderers, page.records).await.map_err(unmade)?;
        if let Some(calls) = &self.calls {
            mapped.iter_mut().flatten().for_each(|record| calls.mark(record));
        }
        let entries = batch::entries(mapped, number);
        let mut done = match &self.at.cut {
            Some(cut) if cut.digest == entries.digest => cut.entries.min(entries.list.len()),
            _ => {
                self.at.ahead.clear();
                0
            }
        };
        // Where an attempt that has to wait within a batch leaves it.
        self.at.cut = Some(Cut { entries: done, digest: entries.digest.clone() });
        let batch_max = self.batch_max();
        loop {
            let end = done + batch::batch(&entries.list[done..], batch_max);
            let batch = entries.list[done..end].to_vec();
            let mut at = At { ahead: BTreeSet::new(), step: self.at.step + 1, ..self.at.clone() };
            let mut read = (end - done) as u64;
            let is_last = end == entries.list.len();
            if is_last {
                read += entries.repeated;
                at.pages += 1;
                at.read += records;
                at.keys = batch::keys_after(&at.keys, &entries.list);
                at.total = page.total.or(at.total);
                at.mark = page.mark.clone().or(at.mark);
                at.phase = if page.next.is_some() { Phase::Read } else { Phase::Verify };
                at.next = page.next.clone();
                at.cut = None;
            } else {
                at.cut = Some(Cut { entries: end, digest: entries.digest.clone() });
            }
            let (pages, bytes) = if is_last { (1, page.bytes) } else { (0, 0) };
            self.write_batch(batch, at, Numbers { pages, read, bytes }).await?;
            if is_last {
                break;
            }
            done = end;
            self.heed()?;
        }
        let told = self.at.total.map_or(String::new(), |total| format!(" of {total}"));
        self.context.progress(self.percent(), format!("{}{told} records read", self.at.read));
        Ok(())
    }

    fn percent(&self) -> u8 {
        let part = self.at.total.map_or(0, |total| (self.at.read * READ_PERCENT).checked_div(total).unwrap_or(0));
        u8::try_from(part.min(READ_PERCENT)).unwrap_or(0)
    }

    /// The list is read again from its beginning; `pass` is what this reading found, if it came to its end.
    pub(super) async fn again(&mut self, pass: Option<Pass>) -> Result<(), Outcome> {
        if self.at.pass >= self.sync.definition.limits.passes_max {
            return Err(changing(self.at.pass));
        }
        self.context.info("the list changed while it was read, or may have: it is read again");
        self.at.another_pass(pass, &self.run.counts);
        self.enter(Phase::Read).await
    }
}

pub(super) fn changing(passes: u32) -> Outcome {
    let message = format!(
        "the list changed each of the {passes} times that it was read, so records may have been passed over; what was read is written, and nothing was deleted"
    );
    Outcome::bury("source_changed", message)
}

fn unmade(unmade: Unmade) -> Outcome {
    match unmade {
        Unmade::Costly(_) => Outcome::bury("mapping_too_costly", unmade.to_string()),
        Unmade::Unavailable(_) => Outcome::retry("renderer_unavailable", unmade.to_string()),
    }
}
