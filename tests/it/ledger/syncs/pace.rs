//! How long a page takes beside many records, to be read with `--no-capture`: `WINDROW_SYNC_ITEMS=1000000` fills so many first.

use std::{env, time::Instant};

use windrow_jobs::ledger::Ledger;
use windrow_tests::ledgers::{self, Opened};

use super::*;

/// Records that are there unless the environment says otherwise: a second's worth.
const ITEMS: u64 = 5_000;
const PAGE: u64 = 1_000;
/// Far more than a page takes on a machine that is shared: a plan that reads a table through is slower by orders with many records.
const PAGE_MS_MAX: u128 = 4_000;

#[tokio::test]
async fn a_page_takes_as_long_beside_many_records() {
    let clock = ledgers::clock();
    for (name, opened) in [("sqlite", ledgers::sqlite(&clock).await), ("postgres", ledgers::postgres(&clock).await)] {
        measure(name, &opened).await;
    }
}

fn numbered(number: u64, salt: &str) -> Incoming {
    // Keys in no order, as ids of providers are.
    let key = format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    person(&key, &format!("person-{number}{salt}@example.com"))
}

async fn measure(name: &str, ledger: &Opened) {
    let items = env::var("WINDROW_SYNC_ITEMS").map_or(ITEMS, |text| text.parse().expect("a number"));
    keep(&**ledger, new_sync("people", definition("people", &[]))).await;
    let fence = run_by(&**ledger, 1).await;
    let mut place: Option<String> = None;
    let filled = Instant::now();
    for first in (0..items).step_by(1_000) {
        timed(&**ledger, &fence, first..first + PAGE, "", &mut place).await;
    }
    println!("{name}: {items} records filled in {:?}", filled.elapsed());
    for (what, numbers, salt) in [("new", items..items + PAGE, ""), ("unchanged, seen", 0..PAGE, ""), ("changed", 0..PAGE, "x")] {
        let took = timed(&**ledger, &fence, numbers, salt, &mut place).await;
        println!("{name}: a page of {PAGE} records, {what}: {took} ms");
        assert!(took < PAGE_MS_MAX, "{name}, {what}: {took} ms");
    }
    end(&**ledger, &fence).await;
    let fence = run_by(&**ledger, 2).await;
    let mut place = None;
    for round in 0..5 {
        let took = timed(&**ledger, &fence, PAGE * (round % 4 + 1)..PAGE * (round % 4 + 2), "", &mut place).await;
        println!("{name}: a page of {PAGE} records, unchanged: {took} ms");
        assert!(took < PAGE_MS_MAX, "{name}, unchanged: {took} ms");
    }
    let looked = Instant::now();
    let census = ledger.census(&fence).await.expect("census");
    println!("{name}: {census:?} in {:?}", looked.elapsed());
    let looked = Instant::now();
    let unseen = ledger.unseen(&fence, None, 1_000).await.expect("unseen");
    println!("{name}: {} unseen in {:?}", unseen.len(), looked.elapsed());
}

async fn timed(ledger: &dyn Ledger, fence: &Fence, numbers: std::ops::Range<u64>, salt: &str, place: &mut Option<String>) -> u128 {
    let next = place.as_ref().map_or(1, |place| place.parse::<u64>().expect("a number") + 1).to_string();
    let incoming = numbers.map(|number| numbered(number, salt)).collect();
    let page = page(fence, incoming, place.as_deref(), &next);
    *place = Some(next);
    let began = Instant::now();
    write(ledger, page).await.expect("it writes");
    began.elapsed().as_millis()
}
