//! The ledgers that must keep every promise: one line each.

/// Makes a test of each case for each ledger: `ledger::claim::sqlite::a_job_is_claimed_once`. A case takes the ledger, or, to
/// reach below it, what was opened.
macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        conformance!(on model: $($case),+);
        conformance!(on sqlite: $($case),+);
        conformance!(on postgres: $($case),+);
    };
    (on $ledger:ident: $($case:ident),+) => {
        mod $ledger {
            $(
                #[tokio::test]
                async fn $case() {
                    let clock = windrow_tests::ledgers::clock();
                    let ledger = windrow_tests::ledgers::$ledger(&clock).await;
                    super::$case((&ledger).into(), &clock).await;
                }
            )+
        }
    };
}
