//! The codes by which jobs of syncs end, each with whether it is tried again and what it means: the lists that the contracts of `sync.run` and
//! `sync.preview` are made of.
//!
//! A test reads the code beside them: one that is written there and has no line here fails it.

/// A code, whether another attempt may succeed, and what it means.
pub type Known = (&'static str, bool, &'static str);

/// What both kinds end with before anything is asked.
pub const BOTH: &[Known] = &[
    ("sync_unknown", false, "the tenant has no sync of this name"),
    ("definition_invalid", false, "the definition does not hold in itself"),
    ("mapping_too_costly", false, "its expressions take more time or memory than they may"),
    ("renderer_unavailable", true, "the process that evaluates expressions gave no answer"),
    ("ledger_unavailable", true, "the ledger did not answer"),
];

/// What comes of reading a source.
pub const READING: &[Known] = &[
    ("source_failed", true, "the source answered 408, 409, 423, 425 or 5xx, again and again"),
    ("source_refused", false, "the source answered another 4xx; the message has the beginning of the answer"),
    ("source_truncated", true, "the list ends before all is read that the source says there is"),
    ("source_circles", false, "the list goes round in a circle: a page leads back to one before, or says again what was said"),
    ("source_endless", false, "more than 100 pages in a row are empty, and each asks for another"),
    ("redirected_elsewhere", false, "the source sends on to another origin than the connection's, which is not followed"),
    ("redirected_too_often", false, "the source sends on more than 3 times in a row"),
    ("next_link_elsewhere", false, "the link to the next page leads to another origin than the connection's, or is no URL"),
    (
        "page_too_large",
        false,
        "a page has more bytes than `limits.page_bytes_max`, more values than so many bytes should have, or a row of more than 1,000 columns",
    ),
    ("page_unreadable", true, "a page is not of the format that was asked for, is broken off, or answers what was not asked"),
    ("page_error", true, "a page of status 200 says at `list.error` that it is an error"),
    ("records_missing", true, "a page has no records where they should be; the message has its beginning"),
    ("cursor_missing", true, "a page says that there are more, and gives no mark to ask for them"),
    ("keyset_missing", false, "a page's last record has not the value by which the next page is asked for"),
    ("total_missing", true, "a page does not say how many records there are where it should"),
    ("mark_too_long", false, "the mark of the next page, or of the next run, or the link has more than 4,096 bytes"),
    (
        "mark_has_secret",
        false,
        "the mark or link to the next page, or for the next run, has a secret of the connection in it, and would be kept",
    ),
    ("place_invalid", false, "where the run stands is of another way of paging than the sync's"),
];

/// What comes of the way to a provider, a source or a destination: `connection/caller.rs`, `outbound/`.
pub const CALLING: &[Known] = &[
    ("connection_unknown", false, "the tenant has no connection of this name"),
    ("connection_other_provider", false, "the connection is of another provider than `http`, or `token_connection` one without tokens"),
    ("connection_closed", true, "the connection is switched off, or in `error`"),
    (
        "connection_refused",
        true,
        "the provider answered 401 or 403, or the token endpoint gives no token: the connection goes to `error` until it is mended or tested",
    ),
    ("connection_broken", true, "the connection ended early, or what came over it is no HTTP"),
    ("secrets_unreadable", true, "the connection's secrets cannot be opened where the worker runs"),
    ("master_key_missing", true, "the worker has no master key, or not the one that wraps the tenant's key"),
    ("token_unavailable", true, "the token endpoint of `token_connection` did not give a token"),
    ("signing_secret_invalid", false, "the connection's signing secret cannot be used"),
    ("unreachable", true, "no connection came about"),
    ("answer_late", true, "no answer, or no end of it, came in time"),
    ("answer_encoded", false, "the answer is compressed in a way that was not asked for"),
    ("answer_too_large", true, "the answer has more than 64 KiB of headers, or more than is read of it"),
    (
        "address_forbidden",
        false,
        "the URL leads to an address that is not of the internet, or is `http`, and the operator has made no exception",
    ),
    ("url_invalid", false, "the URL cannot be called, or is not the connection's"),
    ("path_invalid", false, "a path does not stay below the connection's URL"),
    ("header_invalid", false, "a header cannot be sent"),
];

/// What `sync.preview` ends with beside.
pub const PREVIEWING: &[Known] = &[("source_busy", true, "the source asks to be left alone for longer than anybody waits for a preview")];

/// What `sync.run` ends with beside.
pub const RUNNING: &[Known] = &[
    (
        "source_changed",
        false,
        "the list changed each time that it was read (`passes_max`), so that records may have been passed over; nothing was deleted",
    ),
    ("pages_max", false, "the list has more pages than `limits.pages_max`"),
    ("records_max", false, "the list has more records than `limits.records_max`"),
    ("bytes_max", false, "the pages of the run have more bytes than `limits.bytes_max`"),
    ("failed_max", false, "more records failed than `limits.failed_max`"),
    ("deleted_percent_max", false, "more records vanished than `limits.deleted_percent_max` allows; nothing was deleted"),
    ("provider_busy", true, "the source or the destination asked to wait 20 times, and nothing was done in between"),
    ("destination_refused", false, "the destination refused what is sent to it, whatever the record"),
    ("destination_failed", true, "the destination did not answer, or not as agreed"),
    ("destination_unknown", false, "the sync has no destination, or no way to write to it, that this program knows"),
    ("objects_unavailable", true, "the object store did not take, or did not give, a file"),
    ("place_unreadable", false, "where the run is was written by another program"),
];

/// All of these lists, one after the other.
pub fn of(lists: &[&[Known]]) -> Vec<Known> {
    lists.concat()
}

#[cfg(test)]
mod tests;
