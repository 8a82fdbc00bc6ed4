//! Decisions shown live: by the real server, to real clients, and by the command.

#[cfg(test)]
#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;
#[cfg(test)]
#[path = "observe/command.rs"]
mod command;
#[cfg(test)]
#[path = "observe/gate.rs"]
mod gate;
#[cfg(test)]
#[path = "observe/guard.rs"]
mod guard;
#[cfg(test)]
#[path = "observe/history.rs"]
mod history;
#[cfg(test)]
#[path = "observe/watchers.rs"]
mod watchers;
