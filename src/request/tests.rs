//! Tests of the request view.
