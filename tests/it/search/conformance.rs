//! The stores that must keep every promise: one line each.

/// Makes a test of each case for each store: `search::documents::sqlite::a_document_comes_as_a_whole`.
macro_rules! stores {
    ($($case:ident),+ $(,)?) => {
        stores!(on model: $($case),+);
        stores!(on sqlite: $($case),+);
        stores!(on postgres: $($case),+);
        stores!(on qdrant: $($case),+);
        stores!(on qdrant_postgres: $($case),+);
    };
    (on $store:ident: $($case:ident),+) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $case() {
                    let clock = windrow_tests::ledgers::clock();
                    let store = windrow_tests::searches::$store(&clock).await;
                    super::$case(&store, &clock).await;
                }
            )+
        }
    };
}
