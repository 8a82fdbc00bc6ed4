//! The application of the kind run on this machine.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A running `echo.py`; killed when dropped.
pub(crate) struct Echo {
    _child: Child,
    printed: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kind/echo.py");
        let child = Command::new("python3")
            .arg(file)
            .args(["127.0.0.1", "0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = printed.next_line().await.unwrap().unwrap();
        let port = line.strip_prefix("listening ").unwrap().parse().unwrap();
        Self {
            _child: child,
            printed,
            port,
        }
    }

    /// The next line of its log.
    pub(crate) async fn logged(&mut self) -> String {
        self.printed.next_line().await.unwrap().unwrap()
    }
}
