//! How much of this process's memory the pages of all its runs take: whoever reads one takes room for the largest that it may be first, and
//! gives back what it does not need once it is there. Next: `read.rs`.

use tokio::sync::{Semaphore, SemaphorePermit};

/// What pages and the values made of them take of the process, in units.
const ROOM: usize = 1024 * 1024 * 1024 / UNIT;
/// The bytes of a unit.
const UNIT: usize = 64 * 1024;
/// What the values made of a byte of a page take at most.
const TIMES: u64 = 8;
/// Larger pages are read one after the other: two of them are too much at once.
const AHEAD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// That of this process.
pub(super) static PAGES: Room = Room::new();

/// Room for pages.
pub(super) struct Room(Semaphore);

/// What a page has of it, until it is dropped.
pub(super) struct Held<'r>(SemaphorePermit<'r>);

impl Room {
    const fn new() -> Self {
        Self(Semaphore::const_new(ROOM))
    }

    /// Waits for room for a page of at most so many bytes.
    pub(super) async fn take(&self, page_bytes_max: u64) -> Held<'_> {
        Held(self.0.acquire_many(units(page_bytes_max)).await.expect("nobody closes it"))
    }

    /// Room for the page after one that is held, if there is some now. Whoever holds one page waits for no other: two who did would for ever.
    pub(super) fn take_ahead(&self, page_bytes_max: u64) -> Option<Held<'_>> {
        if page_bytes_max > AHEAD_BYTES_MAX {
            return None;
        }
        self.0.try_acquire_many(units(page_bytes_max)).ok().map(Held)
    }
}

impl Held<'_> {
    /// Gives back what a page of so many bytes does not need.
    pub(super) fn fit(&mut self, page_bytes: u64) {
        let needed = units(page_bytes) as usize;
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

/// One page never takes more than there is.
fn units(bytes: u64) -> u32 {
    let units = (bytes.saturating_mul(TIMES)).div_ceil(UNIT as u64).clamp(1, ROOM as u64);
    u32::try_from(units).expect("no more than there are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_pages_of_a_process_fit_into_its_room() {
        let room = Room::new();
        let large = 64 * 1024 * 1024;
        let (mut first, second) = (room.take(large).await, room.take(large).await);
        assert_eq!(room.0.available_permits(), 0);
        assert!(room.take_ahead(1).is_none(), "there is none");
        first.fit(100);
        assert_eq!(room.0.available_permits(), ROOM / 2 - 1);
        assert!(room.take_ahead(AHEAD_BYTES_MAX + 1).is_none(), "a large page is not read ahead");
        let third = room.take_ahead(1_024).expect("there is room again");
        drop((first, second, third));
        assert_eq!(room.0.available_permits(), ROOM);
        drop(room.take(u64::MAX).await);
    }
}
