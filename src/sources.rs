//! Where policies come from: read aside of the line, compiled, and published as the active one.

pub mod embedded;
pub mod file;
pub mod publish;
pub mod watch;
