//! The lines that a child process writes: kept, and waited for without polling.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
    time::timeout,
};

/// Lines of a stream, JSON where they are JSON, else strings.
pub(crate) struct Lines(watch::Receiver<Vec<Value>>);

impl Lines {
    /// Reads `stream` to its end in the background.
    pub(crate) fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        let mut lines = BufReader::new(stream).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Self(receiver)
    }

    /// The first line, past or to come, that `wanted` accepts.
    pub(crate) async fn first(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.nth(1, wanted).await
    }

    /// The `n`-th of those lines, counted from one.
    pub(crate) async fn nth(&self, n: usize, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = |lines: &[Value]| lines.iter().filter(|l| wanted(l)).nth(n - 1).cloned();
        let mut lines = self.0.clone();
        let came = timeout(PATIENCE, lines.wait_for(|lines| find(lines).is_some())).await;
        let found = came
            .ok()
            .and_then(Result::ok)
            .and_then(|lines| find(&lines));
        found.unwrap_or_else(|| panic!("no such line, the last ones are:\n{}", self.last()))
    }

    /// Every line there is now.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.0.borrow().clone()
    }

    /// How many lines `wanted` accepts now.
    pub(crate) fn count(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.0.borrow().iter().filter(|line| wanted(line)).count()
    }

    /// The last lines, each cut: Envoy quotes whole configurations.
    pub(crate) fn last(&self) -> String {
        let lines = self.0.borrow();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        let cut = |line: &Value| line.to_string().chars().take(SHOWN_CHARACTERS).collect();
        lines[from..]
            .iter()
            .map(cut)
            .collect::<Vec<String>>()
            .join("\n")
    }
}

/// Long, because it only ends tests that fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SHOWN_LINES: usize = 20;
const SHOWN_CHARACTERS: usize = 1000;
