//! Paging, played without a network: for every length of a list, every page size and every style each record is read exactly once.
