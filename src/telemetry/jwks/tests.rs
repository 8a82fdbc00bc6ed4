//! What a scrape and the log show of key sets.
