//! Where policies come from: read aside of the line, handed over as files to load.

pub mod file;
pub mod watch;
